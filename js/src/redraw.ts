/** Draws a view when it has to be drawn: once a frame at most, and only while it can be seen. */

import type { AnyModel } from "@anywidget/types";
import { watchTheme } from "./theme.ts";

export class Redraw {
  #node: HTMLElement;
  #signal: AbortSignal;
  #draw: () => void;
  #due = 0;

  /** Follow traits, the size of `node`, the sight of `canvas`, and the theme (`themed` is told first). */
  constructor(
    model: Pick<AnyModel, "on" | "off">,
    traits: readonly string[],
    [node, canvas]: [HTMLElement, HTMLElement],
    signal: AbortSignal,
    draw: () => void,
    themed: () => void,
  ) {
    this.#node = node;
    this.#signal = signal;
    this.#draw = draw;
    const soon = (): void => this.soon();
    for (const trait of traits) model.on(`change:${trait}`, soon);
    watchTheme(signal, () => {
      themed();
      soon();
    });
    const resized = new ResizeObserver(soon);
    resized.observe(node);
    // A canvas that was scrolled out of sight may come back blank.
    const seen = new IntersectionObserver(soon);
    seen.observe(canvas);
    signal.addEventListener("abort", () => {
      for (const trait of traits) model.off(`change:${trait}`, soon);
      resized.disconnect();
      seen.disconnect();
      cancelAnimationFrame(this.#due);
    });
    soon();
  }

  /** Draw in the next frame. */
  soon(): void {
    if (this.#due || this.#signal.aborted) return;
    this.#due = requestAnimationFrame(() => {
      this.#due = 0;
      if (this.#node.isConnected && this.#node.clientWidth) this.#draw();
    });
  }
}

/** Width inside an element's padding. */
export function innerWidth(node: HTMLElement): number {
  const style = getComputedStyle(node);
  return node.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight);
}
