/** Reads the bytes that attn_widgets/panels/wire.py writes. */

import { assert, type Frame } from "./model.ts";

export const VALUE = 0;
export const MASKED = 1;
export const NOT_CAPTURED = 2;
/** Left out by a threshold, or not among the strongest of its row. */
export const HIDDEN = 3;

/** Exact values of one row, with a state for each. */
export interface Row {
  weights: Float32Array;
  states: Uint8Array;
}

/** One head, or several combined, row by row. */
export interface Head {
  queries: number;
  keys: number;
  /** All values and states; both empty where `tiles` has them. */
  weights: Float32Array;
  states: Uint8Array;
  /** Mean weight on the first token, where the kernel told it. */
  resting: number | null;
  /** Ends of the colour scale; 0 and 1 where not given. */
  low?: number;
  high?: number;
  /** A matrix too large to be here whole: pictures and exact rows, as they come. */
  tiles?: { row(row: number): Row | null; has(row: number): boolean };
}

/** The values of a row; null while they are not here. */
export function rowOf(head: Head, row: number): Row | null {
  if (head.tiles) return head.tiles.row(row);
  const start = row * head.keys;
  return { weights: head.weights.subarray(start, start + head.keys), states: head.states.subarray(start, start + head.keys) };
}

/** Whether the values are weights: scores and logarithms have a scale of their own. */
export const isWeights = ({ low = 0, high = 1 }: Head): boolean => low === 0 && high === 1;

/** Whether a value is a number to be shown: the logarithm of zero is the end of its scale, not a number gone wrong. */
export const isKnown = ({ high = 1 }: Head, value: number): boolean => Number.isFinite(value) || (high === 0 && value === Number.NEGATIVE_INFINITY);

/** Where a value stands between the ends of the scale, 0 to 1. */
export const shareOf = ({ low = 0, high = 1 }: Head, value: number): number => (value - low) / (high - low || 1);

export interface Found {
  layer: number;
  head: number;
  weight: number;
}

/** Where a head is kept: moment, layer, head. */
export type Place = `${number}/${number}/${number}`;

/** Little-endian float32 from anywhere in a buffer, also where it is not aligned. */
export function floats(view: DataView, offset: number, count: number): Float32Array {
  assert(offset + 4 * count <= view.byteLength, `needs ${4 * count} bytes of weights at ${offset}, has ${view.byteLength}`);
  const start = view.byteOffset + offset;
  return new Float32Array(view.buffer.slice(start, start + 4 * count) as ArrayBuffer);
}

export function bytes(view: DataView, offset: number, count: number): Uint8Array {
  assert(offset + count <= view.byteLength, `needs ${count} states at ${offset}, has ${view.byteLength}`);
  return new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + offset, count);
}

/** All heads that were sent with the panel. */
export function decodeFrames(frames: Frame[], weights: DataView, states: DataView): Map<Place, Head> {
  const heads = new Map<Place, Head>();
  let at = 0;
  let plane = 0;
  frames.forEach((frame, moment) => {
    const sent = new Map(frame.sent.map((number, i) => [number, frame.resting[i] ?? null]));
    let number = 0;
    frame.blocks.forEach((block, layer) => {
      const queries = tokensOf(frame, block.queries).length;
      const keys = tokensOf(frame, block.keys).length;
      const cells = queries * keys;
      const own = (frame.planes[layer] ?? 0) > 1;
      for (let head = 0; head < block.heads; head++, number++) {
        const resting = sent.get(number);
        if (resting === undefined) continue;
        heads.set(`${moment}/${layer}/${head}`, {
          queries,
          keys,
          weights: floats(weights, at, cells),
          states: bytes(states, plane, cells),
          resting,
        });
        at += 4 * cells;
        if (own) plane += cells;
      }
      if (frame.planes[layer] === 1) plane += cells;
    });
  });
  return heads;
}

export function tokensOf(frame: Frame, list: number): string[] {
  const tokens = frame.tokens[list];
  assert(tokens, `there is no token list ${list}`);
  return tokens;
}

/** Heads by falling weight on one cell; equals by layer and head, NaN last, not captured left out. */
export function rankHeads(heads: Iterable<[number, number, Head]>, query: number, key: number): Found[] {
  const found: Found[] = [];
  for (const [layer, head, { weights, states, keys, queries }] of heads) {
    const cell = query * keys + key;
    if (query >= queries || key >= keys || states[cell] === NOT_CAPTURED) continue;
    found.push({ layer, head, weight: weights[cell]! });
  }
  const last = (f: Found): number => (Number.isNaN(f.weight) ? 1 : 0);
  return found.sort((a, b) => last(a) - last(b) || b.weight - a.weight || a.layer - b.layer || a.head - b.head);
}
