/** What stands around a saved picture: its name above, the colour scale and the names of the states below. */

import { css, type Rgb } from "./colours.ts";
import { fit } from "./text.ts";
import type { Theme } from "./theme.ts";

/** A colour scale: its colours from low to high, and what stands under it. */
export interface Scale {
  colours: Rgb[];
  ticks: string[];
}

export interface Caption {
  name: string;
  title: string;
  theme: Theme;
  /** Null for a picture that is no matrix. */
  scale: Scale | null;
}

/** Room around the drawing. */
export const MARGIN = 12;
export const ABOVE = 34;
const BELOW = 50;
const BAR = 130;
const SWATCH = 12;

/** Size of the picture that holds a drawing. */
export function captioned(width: number, height: number, caption: Caption): [width: number, height: number] {
  const { scale } = caption;
  const least = scale ? legendWidth(caption) : 200;
  return [Math.ceil(Math.max(width, least) + 2 * MARGIN), Math.ceil(height + ABOVE + (scale ? BELOW : 0) + 2 * MARGIN)];
}

function legendWidth({ theme }: Caption): number {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 0;
  context.font = stateFont(theme);
  return STATES.reduce((sum, [state]) => sum + stateWidth(context, state), BAR + 24);
}

const stateFont = (theme: Theme): string => `11.5px ${theme.font}`;
const stateWidth = (context: CanvasRenderingContext2D, state: string): number => SWATCH + 5 + context.measureText(state).width + 14;

/** Draw the words and the legend of a picture of this size, in its units. */
export function drawCaption(context: CanvasRenderingContext2D, caption: Caption, width: number, height: number): void {
  const { theme, name, title, scale } = caption;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  context.font = `600 18px ${theme.font}`;
  context.fillStyle = theme.ink;
  context.fillText(name, MARGIN, MARGIN + 17);
  const left = MARGIN + context.measureText(name).width + 14;
  context.font = `13px ${theme.font}`;
  context.fillStyle = theme.muted;
  const words = fit(title, Math.max(40, width - MARGIN - left), (text) => context.measureText(text).width);
  if (title) context.fillText(words, left, MARGIN + 17);
  if (scale) drawLegend(context, theme, scale, height - MARGIN - BELOW + 18);
}

function drawLegend(context: CanvasRenderingContext2D, theme: Theme, { colours, ticks }: Scale, top: number): void {
  const bar = context.createLinearGradient(MARGIN, 0, MARGIN + BAR, 0);
  const last = Math.max(1, colours.length - 1);
  colours.forEach((colour, i) => {
    if (i % 15 === 0 || i === last) bar.addColorStop(i / last, css(colour));
  });
  context.fillStyle = bar;
  context.fillRect(MARGIN, top, BAR, 9);
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  ticks.forEach((tick, i) => {
    context.textAlign = i === 0 ? "left" : i === ticks.length - 1 ? "right" : "center";
    context.fillText(tick, MARGIN + (BAR * i) / Math.max(1, ticks.length - 1), top + 22);
  });
  context.textAlign = "left";
  let x = MARGIN + BAR + 24;
  for (const [state, draw] of STATES) {
    context.save();
    context.translate(x, top - 1);
    draw(context, theme, colours[0]);
    context.lineWidth = 1;
    context.strokeStyle = theme.line;
    context.strokeRect(0, 0, SWATCH, SWATCH);
    context.restore();
    context.font = stateFont(theme);
    context.fillStyle = theme.muted;
    context.fillText(state, x + SWATCH + 5, top + 9);
    x += stateWidth(context, state);
  }
}

type Draw = (context: CanvasRenderingContext2D, theme: Theme, zero: Rgb | undefined) => void;

/** The four states that are no colour of the scale, as heatmap.ts draws them. */
const STATES: [string, Draw][] = [
  ["masked", (context, theme) => lines(context, theme.hatch, [[0, 4, 4, 0], [0, 8, 8, 0], [0, 12, 12, 0], [4, 12, 12, 4], [8, 12, 12, 8]], 0.8)],
  ["zero", (context, theme, zero) => {
    ground(context, zero ? css(zero) : theme.surface);
    context.fillStyle = theme.unknown;
    context.fillRect(5, 5, 2, 2);
  }],
  ["not a number", (context, theme) => {
    ground(context, theme.nan);
    lines(context, theme.surface, [[3.5, 3.5, 8.5, 8.5], [3.5, 8.5, 8.5, 3.5]], 1.2);
  }],
  ["not captured", (context, theme) => {
    context.fillStyle = theme.unknown;
    for (let y = 1; y < SWATCH; y += 2) for (let x = (y % 4) - 0.5; x < SWATCH - 0.5; x += 4) context.fillRect(x, y, 1, 1);
  }],
];

function ground(context: CanvasRenderingContext2D, colour: string): void {
  context.fillStyle = colour;
  context.fillRect(0, 0, SWATCH, SWATCH);
}

function lines(context: CanvasRenderingContext2D, colour: string, ends: [number, number, number, number][], width: number): void {
  context.beginPath();
  for (const [fromX, fromY, toX, toY] of ends) {
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
  }
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}
