/** Fonts of a canvas, set only where they change: a browser parses them anew each time, and so it does to read one back. */

import type { Theme } from "./theme.ts";

const last = new WeakMap<CanvasRenderingContext2D, string>();

export function useFont(context: CanvasRenderingContext2D, font: string): void {
  if (last.get(context) === font) return;
  context.font = font;
  last.set(context, font);
}

export function setFont(context: CanvasRenderingContext2D, size: number, bold: boolean, theme: Theme): void {
  useFont(context, `${bold ? "600 " : ""}${size}px ${theme.font}`);
}

/** After the context was reset or restored, or its font set by someone else. */
export const forgetFont = (context: CanvasRenderingContext2D): boolean => last.delete(context);
