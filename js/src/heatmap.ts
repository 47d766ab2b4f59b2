/** Paints one head's matrix; masked, zero, NaN and not captured each have a look of their own. */

import { level, opaque, rgb } from "./colours.ts";
import type { Layout } from "./geometry.ts";
import type { Theme } from "./theme.ts";
import { type Head, HIDDEN, isKnown, isWeights, MASKED, NOT_CAPTURED, shareOf, VALUE } from "./wire.ts";

/** Cells from this size on are parted by a hairline and carry marks (dot for zero, × for NaN). */
export const ROOMY = 9;

/** One pixel a cell, transparent where there is no weight: what the screen shows, scaled up. */
export function pixels(head: Head, theme: Theme): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint32Array(head.weights.length);
  const colours = Uint32Array.from(theme.palette, opaque);
  const nan = opaque(rgb(theme.nan));
  for (let i = 0; i < out.length; i++) {
    const state = head.states[i];
    if (state === HIDDEN) out[i] = colours[0]!;
    if (state !== VALUE) continue;
    const weight = head.weights[i]!;
    out[i] = isKnown(head, weight) ? colours[level(shareOf(head, weight))]! : nan;
  }
  return new Uint8ClampedArray(out.buffer);
}

/** The part of a head that is in a layout's window. */
export function crop(head: Head, { row0, column0, rows, columns }: Pick<Layout, "row0" | "column0" | "rows" | "columns">): Head {
  if (!row0 && !column0 && rows >= head.queries && columns >= head.keys) return head;
  const weights = new Float32Array(rows * columns);
  const states = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const from = (row0 + row) * head.keys + column0;
    weights.set(head.weights.subarray(from, from + columns), row * columns);
    states.set(head.states.subarray(from, from + columns), row * columns);
  }
  return { ...head, queries: rows, keys: columns, weights, states };
}

/** A head in which each cell is the maximum of `step` × `step`, as tiles.py reduces it: a NaN wins, masked is what is all masked. */
export function reduced(head: Head, step: number): Head {
  if (step === 1) return head;
  const queries = Math.ceil(head.queries / step);
  const keys = Math.ceil(head.keys / step);
  const weights = new Float32Array(queries * keys).fill(Number.NEGATIVE_INFINITY);
  const states = new Uint8Array(queries * keys).fill(HIDDEN);
  for (let row = 0, i = 0; row < head.queries; row++) {
    const start = Math.floor(row / step) * keys;
    for (let column = 0; column < head.keys; column++, i++) {
      const at = start + Math.floor(column / step);
      const state = head.states[i]!;
      if (state < states[at]!) states[at] = state;
      if (state === VALUE) weights[at] = Math.max(weights[at]!, head.weights[i]!);
    }
  }
  return { ...head, queries, keys, weights, states };
}

/** One pixel a cell, clear where there is no weight; `unknown`: what was not captured has a colour. */
export function paintCells(head: Head, theme: Theme, unknown = false): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, head.keys);
  canvas.height = Math.max(1, head.queries);
  const colours = new Uint32Array(pixels(head, theme).buffer);
  if (unknown) head.states.forEach((state, i) => state === NOT_CAPTURED && (colours[i] = opaque(rgb(theme.unknown))));
  if (colours.length) canvas.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(colours.buffer), head.keys, head.queries), 0, 0);
  return canvas;
}

/** Paint the matrix into a canvas of its own, in device pixels. */
export function paintMatrix(head: Head, layout: Pick<Layout, "cellWidth" | "cellHeight">, theme: Theme, ratio: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(layout.cellWidth * head.keys * ratio));
  canvas.height = Math.max(1, Math.round(layout.cellHeight * head.queries * ratio));
  const context = canvas.getContext("2d");
  if (!context || !head.weights.length) return canvas;
  context.imageSmoothingEnabled = false;
  context.drawImage(paintCells(head, theme), 0, 0, canvas.width, canvas.height);
  const cell: [number, number] = [canvas.width / head.keys, canvas.height / head.queries];
  fillState(context, head, MASKED, cell, stripes(context, theme.hatch, ratio));
  fillState(context, head, NOT_CAPTURED, cell, dots(context, theme.unknown, ratio));
  if (Math.min(layout.cellWidth, layout.cellHeight) >= ROOMY) {
    drawMarks(context, head, cell, theme, ratio);
    drawGaps(context, head, cell, theme, ratio);
  }
  return canvas;
}

/** Fill the cells of a state, joined along each row. */
function fillState(
  context: CanvasRenderingContext2D,
  head: Head,
  state: number,
  [width, height]: [number, number],
  fill: CanvasPattern | string,
): void {
  context.beginPath();
  for (let row = 0; row < head.queries; row++) {
    const start = row * head.keys;
    for (let column = 0; column < head.keys; column++) {
      if (head.states[start + column] !== state) continue;
      const from = column;
      while (column < head.keys && head.states[start + column] === state) column++;
      context.rect(from * width, row * height, (column - from) * width, height);
    }
  }
  context.fillStyle = fill;
  context.fill();
}

function tile(context: CanvasRenderingContext2D, size: number, draw: (tile: CanvasRenderingContext2D) => void): CanvasPattern | string {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const tileContext = canvas.getContext("2d");
  if (tileContext) draw(tileContext);
  return context.createPattern(canvas, "repeat") ?? "transparent";
}

/** Patterns of a context, made once. */
const striped = new WeakMap<CanvasRenderingContext2D, Map<string, CanvasPattern | string>>();

/** The look of what is masked. */
export function stripes(context: CanvasRenderingContext2D, colour: string, ratio: number): CanvasPattern | string {
  const made = striped.get(context) ?? new Map<string, CanvasPattern | string>();
  striped.set(context, made);
  const key = `${colour} ${ratio}`;
  const pattern = made.get(key) ?? makeStripes(context, colour, ratio);
  made.set(key, pattern);
  return pattern;
}

function makeStripes(context: CanvasRenderingContext2D, colour: string, ratio: number): CanvasPattern | string {
  const size = Math.round(6 * ratio);
  return tile(context, size, (t) => {
    t.strokeStyle = colour;
    t.lineWidth = 0.8 * ratio;
    for (const shift of [-size, 0, size]) {
      t.moveTo(shift - 1, size + 1);
      t.lineTo(shift + size + 1, -1);
    }
    t.stroke();
  });
}

function dots(context: CanvasRenderingContext2D, colour: string, ratio: number): CanvasPattern | string {
  const size = Math.round(4 * ratio);
  return tile(context, size, (t) => {
    t.fillStyle = colour;
    t.fillRect(size / 4, size / 4, ratio, ratio);
    t.fillRect(size / 4 + size / 2, size / 4 + size / 2, ratio, ratio);
  });
}

/** A dot in each cell that is exactly zero, a cross in each that is no number. */
function drawMarks(
  context: CanvasRenderingContext2D,
  head: Head,
  [width, height]: [number, number],
  theme: Theme,
  ratio: number,
): void {
  const zero = new Path2D();
  const cross = new Path2D();
  const arm = 2.5 * ratio;
  for (let i = 0; i < head.weights.length; i++) {
    if (head.states[i] !== VALUE) continue;
    const weight = head.weights[i]!;
    const x = ((i % head.keys) + 0.5) * width;
    const y = (Math.floor(i / head.keys) + 0.5) * height;
    if (weight === 0 && isWeights(head)) zero.rect(x - ratio, y - ratio, 2 * ratio, 2 * ratio);
    else if (!isKnown(head, weight)) {
      cross.moveTo(x - arm, y - arm);
      cross.lineTo(x + arm, y + arm);
      cross.moveTo(x - arm, y + arm);
      cross.lineTo(x + arm, y - arm);
    }
  }
  context.fillStyle = theme.unknown;
  context.fill(zero);
  context.strokeStyle = theme.surface;
  context.lineWidth = 1.2 * ratio;
  context.stroke(cross);
}

/** Hairlines in the colour of the ground between cells. */
function drawGaps(
  context: CanvasRenderingContext2D,
  head: Head,
  [width, height]: [number, number],
  theme: Theme,
  ratio: number,
): void {
  context.fillStyle = theme.surface;
  const line = Math.max(1, Math.round(ratio));
  for (let column = 1; column < head.keys; column++) context.fillRect(Math.round(column * width) - line, 0, line, context.canvas.height);
  for (let row = 1; row < head.queries; row++) context.fillRect(0, Math.round(row * height) - line, context.canvas.width, line);
}
