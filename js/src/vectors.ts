/** Queries, keys and rows of scores and weights: read from the bytes of panels/vectors.py, or computed from them. */

import { assert } from "./model.ts";
import { bytes, floats, MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";

export type Kind = "dot_product" | "additive" | "weights";

/** A head's rows from `row` on; numbers named like arrays are offsets in bytes. */
export interface Part {
  row: number;
  key: number;
  queries: number;
  keys: number;
  kind: Kind;
  dim?: number;
  scale?: number;
  q?: number;
  k?: number;
  v?: number;
  b?: number;
  start?: number;
  stop?: number;
  mask?: number;
  weights?: number;
  states?: number;
}

export interface PackedHead {
  moment: number;
  layer: number;
  head: number;
  parts: Part[];
}

/** Why a pair has no vectors, in a line each. */
export type Reasons = Record<"weights" | "outside" | "nothing", string>;

export interface PackedHeads {
  heads: PackedHead[];
  reasons: Reasons;
}

/** All of a row; scores are −∞ where masked, and null where they were not kept. */
export interface Row {
  scores: Float32Array | null;
  weights: Float32Array;
  states: Uint8Array;
}

/** One weight and what it is made of. */
export interface Pair extends Row {
  query: number;
  key: number;
  kind: Kind;
  scale: number | null;
  q: Float32Array | null;
  k: Float32Array | null;
  v: Float32Array | null;
  b: Float32Array | null;
  reason: string;
}

/** Numbers whose sum, times the scale, is the score: q · k, or v · tanh(q + k + b), an entry a dimension. */
export function terms({ q, k, v, b }: Pick<Pair, "q" | "k" | "v" | "b">): Float32Array | null {
  if (!q || !k) return null;
  return q.map((x, i) => (v && b ? v[i]! * Math.tanh(Math.fround(x + k[i]!) + b[i]!) : x * k[i]!));
}

export const total = (numbers: Float32Array): number => numbers.reduce((sum, x) => sum + x, 0);

/** Running sums: where each term takes the total. */
export function running(numbers: Float32Array): Float64Array {
  let sum = 0;
  return Float64Array.from(numbers, (x) => (sum += x));
}

/** The largest visible score and Σ exp(score − largest): what a softmax divides by. */
export function softmaxOver({ scores, states }: Row): { top: number; sum: number; count: number } | null {
  if (!scores) return null;
  const seen = scores.filter((_, key) => states[key] === VALUE);
  const top = seen.reduce((most, s) => (Number.isNaN(most) || Number.isNaN(s) ? Number.NaN : Math.max(most, s)), Number.NEGATIVE_INFINITY);
  return { top, sum: seen.reduce((sum, s) => sum + Math.exp(s - top), 0), count: seen.length };
}

/** Keys in order, or by falling weight: NaN after the numbers, then what has no weight. */
export function order({ weights, states }: Row, ranked: boolean): number[] {
  const keys = Array.from(weights, (_, key) => key);
  if (!ranked) return keys;
  const worth = (key: number): number => (states[key] !== VALUE ? -3 : Number.isNaN(weights[key]!) ? -2 : Infinity);
  return keys.sort((a, b) => (worth(b) === worth(a) ? 0 : worth(b) - worth(a)) || weights[b]! - weights[a]! || a - b);
}

/** The key with the largest weight; the first one where a row sees nothing. */
export const strongest = (row: Row): number => order(row, true)[0] ?? 0;

/** Any pair of a packed head, of a layer with so many keys; without a key, the strongest. */
export function unpack(data: DataView, { parts }: PackedHead, keys: number, query: number, key: number | null, reasons: Reasons): Pair {
  const part = parts.find((p) => query >= p.row && query < p.row + p.queries);
  const none = { q: null, k: null, v: null, b: null };
  if (!part) {
    const row: Row = { scores: null, weights: new Float32Array(keys), states: new Uint8Array(keys).fill(NOT_CAPTURED) };
    return { ...row, ...none, query, key: key ?? 0, kind: "weights", scale: null, reason: reasons.nothing };
  }
  const row = part.kind === "weights" ? keptRow(data, part, keys, query) : computedRow(data, part, keys, query);
  const column = key ?? strongest(row);
  const at = { ...row, query, key: column, kind: part.kind };
  if (part.kind === "weights") return { ...at, ...none, scale: null, reason: reasons.weights };
  const inside = column >= part.key && column < part.key + part.keys;
  const k = inside ? vector(data, part, part.k, column - part.key) : null;
  const vectors = { q: vector(data, part, part.q, query - part.row), k, v: vector(data, part, part.v), b: vector(data, part, part.b) };
  return { ...at, ...vectors, scale: part.scale ?? 1, reason: inside ? "" : reasons.outside };
}

function vector(data: DataView, { dim = 0 }: Part, offset: number | undefined, place = 0): Float32Array | null {
  return offset === undefined ? null : floats(data, offset + 4 * dim * place, dim);
}

function keptRow(data: DataView, part: Part, keys: number, query: number): Row {
  const weights = new Float32Array(keys);
  const states = new Uint8Array(keys).fill(MASKED);
  const place = (query - part.row) * part.keys;
  weights.set(floats(data, (part.weights ?? 0) + 4 * place, part.keys), part.key);
  states.set(bytes(data, (part.states ?? 0) + place, part.keys), part.key);
  return { scores: null, weights, states };
}

/** A row of scores and its softmax over the keys it sees, in double precision and rounded once. */
function computedRow(data: DataView, part: Part, keys: number, query: number): Row {
  const row = query - part.row;
  const dim = part.dim ?? 0;
  const q = vector(data, part, part.q, row);
  const v = vector(data, part, part.v);
  const b = vector(data, part, part.b);
  const all = floats(data, part.k ?? 0, part.keys * dim);
  assert(q && part.start !== undefined && part.stop !== undefined, "a packed head lacks its vectors");
  const [start, stop] = [data.getInt32(part.start + 4 * row, true), data.getInt32(part.stop + 4 * row, true)];
  const mask = part.mask === undefined ? null : bytes(data, part.mask + row * part.keys, part.keys);
  const exact = new Float64Array(keys).fill(Number.NEGATIVE_INFINITY);
  const states = new Uint8Array(keys).fill(MASKED);
  for (let key = start; key < stop; key++) {
    if (mask && !mask[key]) continue;
    let sum = 0;
    for (let i = 0, at = key * dim; i < dim; i++, at++) {
      sum += v && b ? v[i]! * Math.tanh(q[i]! + b[i]! + all[at]!) : q[i]! * all[at]!;
    }
    exact[part.key + key] = sum * (part.scale ?? 1);
    states[part.key + key] = VALUE;
  }
  const scores = Float32Array.from(exact);
  return { scores, weights: softmax(scores, states), states };
}

function softmax(scores: Float32Array, states: Uint8Array): Float32Array {
  const { top, sum } = softmaxOver({ scores, states, weights: scores })!;
  return scores.map((score, key) => (states[key] === VALUE ? Math.exp(score - top) / sum : 0));
}
