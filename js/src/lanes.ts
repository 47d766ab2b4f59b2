/** Vectors above each other, dimension by dimension: a strip of colours and signed bars each, and how the terms add up. */

import { css, diverging, inkOn, type Rgb, signedLevel } from "./colours.ts";
import { clamp } from "./geometry.ts";
import { paintMatrix } from "./heatmap.ts";
import { brief, digits, fit } from "./text.ts";
import type { Theme } from "./theme.ts";
import { running } from "./vectors.ts";
import { type Head, VALUE } from "./wire.ts";

export interface Lane {
  name: string;
  /** What the vector belongs to, in small type. */
  of: string;
  values: Float32Array;
}

export interface LanesLayout {
  x: number;
  y: number;
  cellWidth: number;
  /** Height of a lane with its gap. */
  pitch: number;
  dims: number;
  lanes: number;
  /** Every how many dimensions stands a number. */
  step: number;
  /** So many dimensions share a column; the largest is drawn. */
  factor: number;
  width: number;
  height: number;
}

export const STRIP = 20;
const BARS = 40;
const PITCH = STRIP + BARS + 16;
export const LABEL = 132;
export const TAIL = 92;
const TOP = 18;
/** Cells from this width on hold their number. */
const NUMBERED = 42;

/** Where lanes stand that have `dims` dimensions, in a width. */
export function layLanes(width: number, dims: number, lanes: number, ratio: number): LanesLayout {
  const room = Math.max(60, width - LABEL - TAIL);
  const factor = Math.max(1, Math.ceil(dims / (room * ratio)));
  const columns = Math.ceil(dims / factor);
  const wide = Math.min(64, room / Math.max(1, columns));
  const cellWidth = wide * ratio >= 2 ? Math.floor(wide * ratio) / ratio : wide;
  const step = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((s) => (s / factor) * cellWidth >= 26) ?? dims;
  const height = TOP + lanes * PITCH;
  return { x: LABEL, y: TOP, cellWidth, pitch: PITCH, dims, lanes, step, factor, width, height };
}

/** The dimension and lane under a point. */
export function hitLane(layout: LanesLayout, px: number, py: number): { lane: number; dim: number } | null {
  const dim = Math.floor((px - layout.x) / layout.cellWidth) * layout.factor;
  const lane = Math.floor((py - layout.y) / layout.pitch);
  return dim >= 0 && dim < layout.dims && lane >= 0 && lane < layout.lanes ? { lane, dim } : null;
}

/** Largest distance from zero; 1 where there is none. */
export function reach(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  return most || 1;
}

/** Of every `factor` values the one that is furthest from zero; NaN wins. */
export function reduceSigned(values: Float32Array, factor: number): Float32Array {
  if (factor === 1) return values;
  return Float32Array.from({ length: Math.ceil(values.length / factor) }, (_, i) =>
    values.slice(i * factor, (i + 1) * factor).reduce((a, b) => (Number.isNaN(a) || Math.abs(a) >= Math.abs(b) ? a : b), 0),
  );
}

/** A signed strip as the heatmap paints it: −1 … 1 on a diverging scale. */
export function signedStrip(values: ArrayLike<number>, most: number, states: Uint8Array): Head {
  // A dot marks what is exactly 0 on the scale of weights; here that is only the far end.
  const weights = Float32Array.from(values, (value) => Math.max(1e-30, (value / most + 1) / 2));
  return { queries: 1, keys: weights.length, weights, states, resting: null };
}

export const signedTheme = (theme: Theme): Theme => ({ ...theme, palette: diverging[theme.mode] });

/** Strong colours of bars above and below zero. */
export const signs = (theme: Theme): { above: string; below: string } => {
  const shade = (place: number): Rgb => diverging[theme.mode][place] ?? [128, 128, 128];
  return { above: css(shade(210)), below: css(shade(45)) };
};

export class Lanes {
  readonly canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d");
  layout: LanesLayout | null = null;

  draw(lanes: Lane[], width: number, theme: Theme, ratio: number, hovered: number | null): void {
    const dims = lanes[0]?.values.length ?? 0;
    const layout = layLanes(width, dims, dims ? lanes.length + 1 : 0, ratio);
    this.layout = layout;
    this.canvas.hidden = !dims;
    size(this.canvas, layout.width, layout.height, ratio);
    this.canvas.dataset["cells"] = [layout.x, layout.y, layout.cellWidth, layout.pitch].join(" ");
    if (this.#context) this.paint(this.#context, lanes, layout, theme, ratio, hovered);
  }

  /** Paint into any context: the panel's own, a larger one, or one that records. */
  paint(context: CanvasRenderingContext2D, lanes: Lane[], layout: LanesLayout, theme: Theme, ratio: number, hovered: number | null = null): void {
    const terms = lanes.at(-1)?.values;
    if (!terms) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, layout.width, layout.height);
    drawAxis(context, layout, theme);
    lanes.forEach((lane, i) => drawLane(context, lane, layout, layout.y + i * layout.pitch, theme, ratio));
    drawSum(context, terms, layout, layout.y + lanes.length * layout.pitch, theme);
    if (hovered !== null) drawHovered(context, layout, Math.floor(hovered / layout.factor), theme);
  }
}

export function size(canvas: HTMLCanvasElement, width: number, height: number, ratio: number): void {
  const [wide, high] = [Math.ceil(width * ratio), Math.ceil(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

function drawAxis(context: CanvasRenderingContext2D, layout: LanesLayout, theme: Theme): void {
  context.font = `10.5px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillText("dimension", layout.x - 10, 7);
  context.textAlign = "center";
  for (let dim = 0; dim < layout.dims; dim += layout.step) {
    context.fillText(String(dim), layout.x + (dim / layout.factor + 0.5) * layout.cellWidth, 7);
  }
}

/** Name of a lane at its left, what it belongs to beneath. */
export function drawLabel(context: CanvasRenderingContext2D, name: string, of: string, y: number, theme: Theme): void {
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = theme.ink;
  context.font = `600 12px ${theme.font}`;
  context.fillText(name, 0, y + STRIP / 2);
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.fillText(fit(of, LABEL - 12, (text) => context.measureText(text).width), 0, y + STRIP / 2 + 17);
}

function drawLane(context: CanvasRenderingContext2D, lane: Lane, layout: LanesLayout, y: number, theme: Theme, ratio: number): void {
  const values = reduceSigned(lane.values, layout.factor);
  const most = reach(values);
  const { cellWidth, x } = layout;
  drawLabel(context, lane.name, lane.of, y, theme);
  const head = signedStrip(values, most, new Uint8Array(values.length));
  const strip = paintMatrix(head, { cellWidth, cellHeight: STRIP }, signedTheme(theme), ratio);
  context.drawImage(strip, x, y, cellWidth * values.length, STRIP);
  if (cellWidth >= NUMBERED) drawNumbers(context, values, most, layout, y, theme);
  drawBars(context, values, most, { x, cellWidth }, y + STRIP + 2, BARS, theme);
  context.textAlign = "left";
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.fillText(`±${digits(most)}`, x + cellWidth * values.length + 8, y + STRIP / 2);
}

function drawNumbers(context: CanvasRenderingContext2D, values: Float32Array, most: number, layout: LanesLayout, y: number, theme: Theme): void {
  context.font = `11px ${theme.font}`;
  context.textAlign = "center";
  values.forEach((value, i) => {
    const colour = diverging[theme.mode][signedLevel(value / most)];
    context.fillStyle = colour ? inkOn(colour) : theme.ink;
    if (Number.isFinite(value)) context.fillText(brief(value).replace("-", "−"), layout.x + (i + 0.5) * layout.cellWidth, y + STRIP / 2 + 0.5);
  });
}

/** Bars up and down from a line in the middle of a band. */
export function drawBars(
  context: CanvasRenderingContext2D,
  values: ArrayLike<number>,
  most: number,
  { x, cellWidth }: { x: number; cellWidth: number },
  y: number,
  high: number,
  theme: Theme,
): void {
  const { above, below } = signs(theme);
  const middle = y + high / 2;
  const gap = cellWidth >= 5 ? 1 : 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    const tall = (Math.abs(value) / most) * (high / 2);
    context.fillStyle = value > 0 ? above : below;
    context.fillRect(x + i * cellWidth, value > 0 ? middle - tall : middle, cellWidth - gap, tall);
  }
  context.fillStyle = theme.line;
  context.fillRect(x, middle - 0.5, cellWidth * values.length, 1);
}

/** Each term from where the terms before it have come to: the last one ends at the sum. */
function drawSum(context: CanvasRenderingContext2D, terms: Float32Array, layout: LanesLayout, y: number, theme: Theme): void {
  const sums = running(terms);
  const finite = sums.filter(Number.isFinite);
  const [low, most] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  const high = layout.pitch - 18;
  const at = (sum: number): number => y + 6 + high * (1 - (sum - low) / (most - low || 1));
  const { above, below } = signs(theme);
  drawLabel(context, "running sum", "of the terms", y, theme);
  const end = layout.x + layout.cellWidth * Math.ceil(layout.dims / layout.factor);
  context.fillStyle = theme.line;
  context.fillRect(layout.x, at(0) - 0.5, end - layout.x, 1);
  const wide = layout.cellWidth / layout.factor;
  sums.forEach((sum, i) => {
    const [from, to] = [at(sums[i - 1] ?? 0), at(sum)];
    if (!Number.isFinite(sum)) return;
    context.fillStyle = to <= from ? above : below;
    context.fillRect(layout.x + i * wide, Math.min(from, to) - 0.5, Math.max(wide - (wide >= 5 ? 1 : 0), 0.5), Math.abs(to - from) + 1);
  });
  const total = sums.at(-1) ?? 0;
  context.fillStyle = theme.ink;
  context.font = `600 12px ${theme.font}`;
  context.textAlign = "left";
  context.fillText(`Σ ${digits(total).replace("-", "−")}`, end + 8, clamp(Number.isFinite(total) ? at(total) : at(0), y + 8, y + layout.pitch - 8));
}

function drawHovered(context: CanvasRenderingContext2D, layout: LanesLayout, column: number, theme: Theme): void {
  context.strokeStyle = theme.accent;
  context.lineWidth = 1.5;
  const wide = Math.max(3, layout.cellWidth + 1);
  context.strokeRect(layout.x + column * layout.cellWidth - 1, layout.y - 2, wide, layout.lanes * layout.pitch - 8);
}

export const plainStates = (count: number): Uint8Array => new Uint8Array(count).fill(VALUE);
