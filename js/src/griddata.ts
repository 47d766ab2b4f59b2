/** What attn_widgets/panels/thumbnails.py sends: small pictures and metrics of a layer's heads. Knows nothing of the DOM. */

import { assert, type Frame, type HeadModel, type Spec } from "./model.ts";
import { bytes, MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";

/** States of a thumbnail's cell besides those of a trace. */
export const NOT_A_NUMBER = 3;
export const ZERO = 4;

/** Size of a layer's thumbnails; each cell is the maximum of factor × factor weights. */
export interface LayerSize {
  rows: number;
  columns: number;
  factor: number;
  /** Heads of keys and values; fewer than heads where these share them. */
  groups: number;
}

export interface Metric {
  name: string;
  title: string;
  about: string;
  /** Whether it lies between 0 and 1. */
  share: boolean;
}

export interface GridSpec {
  side: number;
  metrics: Metric[];
  /** For each frame its layers. */
  layers: LayerSize[][];
  /** For each frame the layers that were sent, with their planes of states. */
  sent: [layer: number, planes: number][][];
}

export interface GridModel extends HeadModel {
  metric: string;
  order: string;
  _spec: Spec & { grid: GridSpec };
  _thumbnails: DataView;
  _metrics: DataView;
}

/** Thumbnails and metrics of a layer; `have` heads of it have arrived. */
export interface Layer extends LayerSize {
  heads: number;
  have: number;
  levels: Uint8Array;
  states: Uint8Array;
  /** A metric after the other, in each a number a head; NaN where it does not apply. */
  metrics: Float64Array;
  /** Bit n is set where a cell has the state n. */
  marks: number;
  /** Changes when heads arrive. */
  version: number;
}

export type LayerPlace = `${number}/${number}`;

let versions = 0;

export function emptyLayer(size: LayerSize, heads: number, metrics: number): Layer {
  const cells = heads * size.rows * size.columns;
  return {
    ...size,
    heads,
    have: 0,
    levels: new Uint8Array(cells),
    states: new Uint8Array(cells).fill(NOT_CAPTURED),
    metrics: new Float64Array(metrics * heads).fill(Number.NaN),
    marks: 0,
    version: versions++,
  };
}

/** Put heads that follow those already there into a layer; returns how many bytes of each buffer they took. */
export function takePiece(
  layer: Layer,
  piece: { first: number; heads: number; planes: number },
  [pictures, at]: [DataView, number],
  [metrics, metricsAt]: [DataView, number],
): [number, number] {
  const { first, heads, planes } = piece;
  assert(first === layer.have && heads > 0 && first + heads <= layer.heads, `heads ${first} to ${first + heads - 1} came out of turn`);
  const cells = layer.rows * layer.columns;
  layer.levels.set(bytes(pictures, at, heads * cells), first * cells);
  const states = bytes(pictures, at + heads * cells, planes * cells);
  for (const state of states) layer.marks |= 1 << state;
  for (let head = 0; head < heads; head++) {
    const plane = planes === 1 ? 0 : head;
    layer.states.set(states.subarray(plane * cells, (plane + 1) * cells), (first + head) * cells);
  }
  const count = layer.metrics.length / layer.heads;
  assert(metricsAt + 8 * count * heads <= metrics.byteLength, "the metrics of a layer are cut off");
  for (let metric = 0; metric < count; metric++) {
    for (let head = 0; head < heads; head++) {
      layer.metrics[metric * layer.heads + first + head] = metrics.getFloat64(metricsAt + 8 * (metric * heads + head), true);
    }
  }
  layer.have += heads;
  layer.version = versions++;
  return [(heads + planes) * cells, 8 * count * heads];
}

/** All layers that were sent with the panel. */
export function decodeGrid(grid: GridSpec, frames: Frame[], pictures: DataView, metrics: DataView): Map<LayerPlace, Layer> {
  const layers = new Map<LayerPlace, Layer>();
  let at = 0;
  let metricsAt = 0;
  grid.sent.forEach((sent, moment) => {
    for (const [number, planes] of sent) {
      const size = grid.layers[moment]?.[number];
      const heads = frames[moment]?.blocks[number]?.heads ?? 0;
      assert(size, `there is no layer ${number} at moment ${moment}`);
      const layer = emptyLayer(size, heads, grid.metrics.length);
      const [took, tookMetrics] = takePiece(layer, { first: 0, heads, planes }, [pictures, at], [metrics, metricsAt]);
      at += took;
      metricsAt += tookMetrics;
      layers.set(`${moment}/${number}`, layer);
    }
  });
  return layers;
}

/** Weights of a layer's heads on one cell. */
export interface FoundLayer {
  weights: Float32Array;
  states: Uint8Array;
}

/** What one head shows: a number, or why there is none. */
export type Reading = { number: number } | { missing: "masked" | "not a number" | "not captured" | "no row counts" | "not here" | "other tokens" };

export const numberOf = (reading: Reading): number => ("number" in reading ? reading.number : Number.NaN);

export function readMetric(layer: Layer | undefined, head: number, metric: number): Reading {
  if (!layer || head >= layer.have) return { missing: "not here" };
  const number = layer.metrics[metric * layer.heads + head] ?? Number.NaN;
  if (Number.isFinite(number)) return { number };
  const cells = layer.rows * layer.columns;
  const any = ((layer.marks >> NOT_A_NUMBER) & 1) === 1;
  const odd = any && layer.states.subarray(head * cells, (head + 1) * cells).includes(NOT_A_NUMBER);
  return { missing: odd ? "not a number" : "no row counts" };
}

export function readFound(found: FoundLayer | undefined, head: number, alike: boolean): Reading {
  if (!alike) return { missing: "other tokens" };
  if (!found) return { missing: "not here" };
  if (found.states[head] === MASKED) return { missing: "masked" };
  if (found.states[head] !== VALUE) return { missing: "not captured" };
  const number = found.weights[head] ?? Number.NaN;
  return Number.isFinite(number) ? { number } : { missing: "not a number" };
}

/** Where the colours of a metric end: at 1 for a share, else at the largest head. */
export function scaleEnd(share: boolean, readings: Iterable<Reading>): number {
  if (share) return 1;
  let end = 0;
  for (const reading of readings) if ("number" in reading) end = Math.max(end, reading.number);
  return end || 1;
}
