/** A whole row: the score and the weight of every key, in order or sorted, the chosen key marked. */

import { css, level } from "./colours.ts";
import { paintMatrix } from "./heatmap.ts";
import { drawBars, drawLabel, LABEL, reach, signedStrip, signedTheme, size, STRIP, TAIL } from "./lanes.ts";
import { within } from "./projector.ts";
import { digits, fit } from "./text.ts";
import type { Theme } from "./theme.ts";
import type { Row } from "./vectors.ts";
import { type Head, VALUE } from "./wire.ts";

export interface RowLayout {
  x: number;
  y: number;
  cellWidth: number;
  pitch: number;
  lanes: number;
  /** So many keys share a column; the strongest is drawn. */
  factor: number;
  columns: number;
  labels: number;
  flat: boolean;
  width: number;
  height: number;
}

/** What stands in a column: its strongest key, and the numbers that are drawn. */
export interface Columns {
  keys: number[];
  scores: Float32Array;
  weights: Float32Array;
  states: Uint8Array;
}

const BARS = 36;
const PITCH = STRIP + BARS + 14;
const LONGEST = 96;
const WIDEST = 56;

export function layRow(width: number, keys: number, scored: boolean, label: number, ratio: number): RowLayout {
  const room = Math.max(60, width - LABEL - TAIL);
  const factor = Math.max(1, Math.ceil(keys / (room * ratio)));
  const columns = Math.max(1, Math.ceil(keys / factor));
  const flat = label + 8 <= Math.min(WIDEST, room / columns);
  const wide = Math.min(flat ? WIDEST : 30, room / columns);
  const cellWidth = wide * ratio >= 2 ? Math.floor(wide * ratio) / ratio : wide;
  const lanes = scored ? 2 : 1;
  const labels = flat ? 18 : Math.min(LONGEST, label) + 10;
  return { x: LABEL, y: 6, cellWidth, pitch: PITCH, lanes, factor, columns, labels, flat, width, height: 6 + lanes * PITCH + labels };
}

/** Keys in the order given, a column for each `factor` of them. */
export function columnsOf(row: Row, order: number[], factor: number): Columns {
  const keys: number[] = [];
  const worth = (key: number): number => (row.states[key] === VALUE ? (Number.isNaN(row.weights[key]!) ? Infinity : row.weights[key]!) : -2 - row.states[key]!);
  for (let i = 0; i < order.length; i += factor) {
    keys.push(order.slice(i, i + factor).reduce((a, b) => (worth(b) > worth(a) ? b : a)));
  }
  return {
    keys,
    scores: Float32Array.from(keys, (key) => row.scores?.[key] ?? Number.NaN),
    weights: Float32Array.from(keys, (key) => row.weights[key]!),
    states: Uint8Array.from(keys, (key) => row.states[key]!),
  };
}

export class RowBars {
  readonly canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d");
  layout: RowLayout | null = null;
  columns: Columns | null = null;
  /** Draws the last row again: into any context, its top at `y`. */
  paint: ((context: CanvasRenderingContext2D, ratio: number, y: number) => void) | null = null;

  /** Draw a row whose keys stand in this order; `key` is the chosen one. */
  draw(row: Row, order: number[], key: number, tokens: string[], of: string, width: number, theme: Theme, ratio: number): void {
    const context = this.#context;
    if (!context) return;
    context.font = `11px ${theme.font}`;
    const measure = (text: string): number => context.measureText(text).width;
    // Of many tokens, some tell how wide they are.
    const some = order.filter((_, i) => i % Math.ceil(order.length / 300) === 0);
    const label = some.reduce((most, k) => Math.max(most, measure(fit(tokens[k] ?? "", LONGEST, measure))), 0);
    const layout = layRow(width, order.length, row.scores !== null, Math.ceil(label), ratio);
    const columns = columnsOf(row, order, layout.factor);
    Object.assign(this, { layout, columns });
    size(this.canvas, layout.width, layout.height, ratio);
    this.canvas.dataset["cells"] = [layout.x, layout.y, layout.cellWidth, layout.pitch].join(" ");
    const place = Math.floor(order.indexOf(key) / layout.factor);
    this.paint = (onto, fine, y) => {
      onto.setTransform(fine, 0, 0, fine, 0, y * fine);
      onto.clearRect(0, 0, layout.width, layout.height);
      onto.textBaseline = "middle";
      if (row.scores) drawScores(onto, columns, layout, of, theme, fine);
      drawWeights(onto, columns, layout, of, theme, fine);
      drawTokens(onto, columns, tokens, place, key, layout, theme);
      drawChosen(onto, place, layout, theme);
    };
    this.paint(context, ratio, 0);
  }

  /** The key in the column under a point. */
  hit(event: MouseEvent): number | null {
    const { layout, columns } = this;
    if (!layout || !columns) return null;
    const column = Math.floor((within(this.canvas, event).x - layout.x) / layout.cellWidth);
    return columns.keys[column] ?? null;
  }
}

function drawScores(context: CanvasRenderingContext2D, columns: Columns, layout: RowLayout, of: string, theme: Theme, ratio: number): void {
  const seen = columns.scores.map((score, i) => (columns.states[i] === VALUE ? score : Number.NaN));
  const most = reach(seen);
  drawLabel(context, "score", of, layout.y, theme);
  const head = signedStrip(columns.scores, most, columns.states);
  paint(context, head, layout, layout.y, signedTheme(theme), ratio);
  drawBars(context, seen, most, layout, layout.y + STRIP + 2, BARS, theme);
  drawEnd(context, `±${digits(most)}`, layout, layout.y, theme);
}

function drawWeights(context: CanvasRenderingContext2D, { weights, states, keys }: Columns, layout: RowLayout, of: string, theme: Theme, ratio: number): void {
  const y = layout.y + (layout.lanes - 1) * layout.pitch;
  const { x, cellWidth } = layout;
  drawLabel(context, "weight", layout.factor > 1 ? `max of ${layout.factor} keys` : layout.lanes > 1 ? "softmax" : of, y, theme);
  paint(context, { queries: 1, keys: keys.length, weights, states, resting: null }, layout, y, theme, ratio);
  const most = reach(weights);
  const foot = y + STRIP + 2 + BARS;
  const colour = theme.palette[level(0.6)];
  context.fillStyle = colour ? css(colour) : theme.ink;
  weights.forEach((weight, i) => {
    if (states[i] !== VALUE || !Number.isFinite(weight)) return;
    const tall = (Math.max(0, weight) / most) * BARS;
    context.fillRect(x + i * cellWidth, foot - tall, cellWidth - (cellWidth >= 5 ? 1 : 0), tall);
  });
  context.fillStyle = theme.line;
  context.fillRect(x, foot - 0.5, cellWidth * keys.length, 1);
  drawEnd(context, `max ${digits(most)}`, layout, y, theme);
}

function paint(context: CanvasRenderingContext2D, head: Head, layout: RowLayout, y: number, theme: Theme, ratio: number): void {
  const strip = paintMatrix(head, { cellWidth: layout.cellWidth, cellHeight: STRIP }, theme, ratio);
  context.drawImage(strip, layout.x, y, layout.cellWidth * head.keys, STRIP);
}

function drawEnd(context: CanvasRenderingContext2D, text: string, layout: RowLayout, y: number, theme: Theme): void {
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.textAlign = "left";
  context.fillText(text, layout.x + layout.cellWidth * layout.columns + 8, y + STRIP / 2);
}

function drawTokens(context: CanvasRenderingContext2D, columns: Columns, tokens: string[], place: number, key: number, layout: RowLayout, theme: Theme): void {
  const top = layout.y + layout.lanes * layout.pitch - 6;
  const step = layout.flat ? 1 : Math.ceil(12 / layout.cellWidth);
  columns.keys.forEach((strongest, column) => {
    const chosen = column === place;
    if (!chosen && (column % step || Math.abs(column - place) < step)) return;
    context.font = `${chosen ? "600 " : ""}11px ${theme.font}`;
    context.fillStyle = chosen || (columns.weights[column] ?? 0) >= 0.1 ? theme.ink : theme.muted;
    const label = fit(tokens[chosen ? key : strongest] ?? "", LONGEST, (text) => context.measureText(text).width);
    const x = layout.x + (column + 0.5) * layout.cellWidth;
    if (layout.flat) {
      context.textAlign = "center";
      context.fillText(label, x, top + 8);
      return;
    }
    context.save();
    context.translate(x, top);
    context.rotate(-Math.PI / 2);
    context.textAlign = "right";
    context.fillText(label, 0, 0.5);
    context.restore();
  });
}

function drawChosen(context: CanvasRenderingContext2D, place: number, layout: RowLayout, theme: Theme): void {
  if (place < 0) return;
  context.strokeStyle = theme.accent;
  context.lineWidth = 2;
  const wide = Math.max(4, layout.cellWidth + 1);
  const x = layout.x + (place + 0.5) * layout.cellWidth - wide / 2;
  context.strokeRect(x, layout.y - 2, wide, layout.lanes * layout.pitch - 8);
}
