/** What is made of heads before they are shown, as attn_widgets/panels/lens.py does it: pure, on weights that are here. */

import type { Predictions } from "./model.ts";
import { type Head, HIDDEN, NOT_CAPTURED, VALUE } from "./wire.ts";

/** Rows or columns as they are shown: place i stands for the tokens starts[i] to stops[i] − 1. */
export interface ShownAxis {
  tokens: string[];
  starts: number[];
  stops: number[];
  /** Whether each place is the token of its own number. */
  plain: boolean;
}

export interface Filter {
  value: "weight" | "score" | "log";
  threshold: number;
  top: number;
}

/** Ends of the scale of logarithms: 1/10,000 to 1. */
export const LEAST_LOG = Math.log(1e-4);

export function shownAxis(tokens: string[], words: number[] | null, special: number[] | null): ShownAxis {
  const begins = words ?? tokens.map((_, i) => i);
  const left = new Set(special);
  const places = begins.map((start, i): [number, number] => [start, begins[i + 1] ?? tokens.length]).filter(([start]) => !left.has(start));
  return {
    tokens: places.map(([start, stop]) => tokens.slice(start, stop).join("")),
    starts: places.map(([start]) => start),
    stops: places.map(([, stop]) => stop),
    plain: places.length === tokens.length,
  };
}

/** The place where a token is shown, or the one before it where it is not. */
export function placeOf({ starts, plain }: ShownAxis, token: number): number {
  if (plain) return token;
  let place = 0;
  starts.forEach((start, i) => {
    if (start <= token && start >= (starts[place] ?? 0)) place = i;
  });
  return place;
}

/** Mean or maximum over heads: masked counts as 0, not captured not at all. */
export function combine(heads: Head[], how: "mean" | "max"): Head {
  const first = heads[0];
  if (!first) throw new Error("there are no heads to combine");
  if (heads.length === 1) return first;
  const cells = first.weights.length;
  const weights = new Float32Array(cells);
  const states = new Uint8Array(cells);
  for (let i = 0; i < cells; i++) {
    let total = how === "max" ? Number.NEGATIVE_INFINITY : 0;
    let known = 0;
    let state = NOT_CAPTURED;
    for (const head of heads) {
      const s = head.states[i]!;
      if (s === NOT_CAPTURED) continue;
      known++;
      const weight = s === VALUE ? head.weights[i]! : 0;
      total = how === "max" ? Math.max(total, weight) : total + weight;
      state = Math.min(state, s);
    }
    weights[i] = known ? (how === "max" ? total : total / known) : 0;
    states[i] = state;
  }
  return { queries: first.queries, keys: first.keys, weights, states, resting: null };
}

/** A head with words merged and special tokens left out: the sum over keys, the mean over queries. */
export function regroup(head: Head, rows: ShownAxis, columns: ShownAxis): Head {
  if (rows.plain && columns.plain) return head;
  const weights = new Float32Array(rows.starts.length * columns.starts.length);
  const states = new Uint8Array(weights.length);
  let at = 0;
  for (let r = 0; r < rows.starts.length; r++) {
    for (let c = 0; c < columns.starts.length; c++, at++) {
      let total = 0;
      let state = NOT_CAPTURED;
      for (let q = rows.starts[r]!; q < rows.stops[r]!; q++) {
        for (let k = columns.starts[c]!; k < columns.stops[c]!; k++) {
          total += head.weights[q * head.keys + k]!;
          state = Math.min(state, head.states[q * head.keys + k]!);
        }
      }
      weights[at] = total / (rows.stops[r]! - rows.starts[r]!);
      states[at] = state;
    }
  }
  return { queries: rows.starts.length, keys: columns.starts.length, weights, states, resting: head.resting };
}

/** The logarithm, and what a threshold or the strongest of a row leave out. */
export function filtered(head: Head, { value, threshold, top }: Filter): Head {
  if (value !== "log" && !threshold && !top) return head;
  const states = head.states.slice();
  for (let row = 0; row < head.queries; row++) {
    const start = row * head.keys;
    const keys = Array.from({ length: head.keys }, (_, key) => start + key).filter((i) => states[i] === VALUE && !Number.isNaN(head.weights[i]!));
    for (const i of keys) if (head.weights[i]! < threshold) states[i] = HIDDEN;
    if (!top) continue;
    keys.sort((a, b) => head.weights[b]! - head.weights[a]! || a - b);
    for (const i of keys.slice(top)) states[i] = HIDDEN;
  }
  if (value !== "log") return { ...head, states };
  return { ...head, states, weights: head.weights.map(Math.log), low: LEAST_LOG, high: 0 };
}

/** Columns by falling value in one row; those without a value stay behind, in their order. */
export function byWeight(head: Head, columns: ShownAxis, row: number): [Head, ShownAxis] {
  const start = row * head.keys;
  const rank = (key: number): number => {
    const value = head.weights[start + key]!;
    return head.states[start + key] === VALUE && !Number.isNaN(value) ? value : Number.NEGATIVE_INFINITY;
  };
  const order = Array.from({ length: head.keys }, (_, key) => key).sort((a, b) => rank(b) - rank(a) || a - b);
  const weights = new Float32Array(head.weights.length);
  const states = new Uint8Array(head.states.length);
  for (let r = 0; r < head.queries; r++) {
    order.forEach((key, c) => {
      weights[r * head.keys + c] = head.weights[r * head.keys + key]!;
      states[r * head.keys + c] = head.states[r * head.keys + key]!;
    });
  }
  const take = <T>(values: T[]): T[] => order.map((key) => values[key]!);
  const sorted = { tokens: take(columns.tokens), starts: take(columns.starts), stops: take(columns.stops), plain: false };
  return [{ ...head, weights, states }, sorted];
}

/** What is predicted behind the last token of each row. */
export function predictedAt(predictions: Predictions | null, rows: ShownAxis): Predictions | null {
  if (!predictions || rows.plain) return predictions;
  const last = rows.stops.map((stop) => stop - 1);
  return { tokens: last.map((i) => predictions.tokens[i] ?? ""), probabilities: last.map((i) => predictions.probabilities[i] ?? null) };
}
