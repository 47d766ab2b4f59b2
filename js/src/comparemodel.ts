/** The traits of `ComparePanel` (attn_widgets/panels/compare.py), what is compared, and how one steps through it: pure. */

import { assert, type Block, headName } from "./model.ts";
import { type Action, click, move, NOTHING, type Selection } from "./selection.ts";
import { bytes, floats, type Head, MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";
import type { About } from "./xml.ts";

/** Rows or columns of both sides; numbers are places. */
export interface Axis {
  labels: string[];
  /** Places that the right side lacks. */
  leftOnly: number[];
  /** Places that the left side lacks. */
  rightOnly: number[];
  /** Places with another token on the right. */
  replaced: number[];
}

export interface Layer {
  kind: Block["kind"];
  heads: number;
  /** Numbers of axes. */
  rows: number;
  columns: number;
  /** How many cells a side one cell of a picture stands for; 1 where every number is sent. */
  step: number;
}

/** Layer, head, row, column, left, right, difference; a number that is not finite is null. */
export type Cell = [number, number, number, number, number | null, number | null, number | null];

export interface CompareSpec {
  title: string;
  /** Where each side comes from: model's hash, run, text, version. */
  about?: [About, About];
  names: [string, string];
  axes: Axis[];
  blocks: Layer[];
  /** Layer and head (−1 for the mean) of what was sent. */
  sent: [number, number][];
  /** What differs most; null where it has to be asked for. */
  largest: Cell[] | null;
  live: boolean;
  note: string;
}

export interface CompareModel extends Selection {
  layer: number;
  head: number;
  mean: boolean;
  _spec: CompareSpec;
  _pairs: DataView;
  _snapshot: string;
}

export const TRAITS = ["layer", "head", "query", "key", "mean", "locked"] as const;
export type State = Pick<CompareModel, (typeof TRAITS)[number]>;

/** Number of a layer's mean among its heads. */
export const MEAN = -1;

export const headOf = (state: State): number => (state.mean ? MEAN : state.head);
export const nameOf = (state: State): string => (state.mean ? `L${state.layer} mean` : headName(state.layer, state.head));

/** Left, right and their difference, each cell standing for `step` × `step`. */
export interface Three {
  left: Head;
  right: Head;
  difference: Head;
  step: number;
}

export function axesOf(spec: CompareSpec, layer: number): { block: Layer; rows: Axis; columns: Axis } {
  const block = spec.blocks[layer];
  const rows = spec.axes[block?.rows ?? -1];
  const columns = spec.axes[block?.columns ?? -1];
  assert(block && rows && columns, `there is no layer ${layer}`);
  return { block, rows, columns };
}

/** Cells of all heads. */
export const cellsOf = (spec: CompareSpec): number =>
  spec.blocks.reduce((sum, { heads }, layer) => {
    const { rows, columns } = axesOf(spec, layer);
    return sum + heads * rows.labels.length * columns.labels.length;
  }, 0);

/** Step to a layer, with head, row and column kept within it. */
export function goTo(spec: CompareSpec, state: State, patch: Partial<State>): Partial<State> {
  const next = { ...state, ...patch };
  const { block, rows, columns } = axesOf(spec, next.layer);
  const inside = (at: number | null, size: number): number | null => (at !== null && at < size ? at : null);
  const query = inside(next.query, rows.labels.length);
  const key = inside(next.key, columns.labels.length);
  return { ...patch, head: Math.min(next.head, block.heads - 1), query, key, locked: next.locked && query !== null };
}

/** What an action changes; `shown` is the row on show and the column that differs most in it. */
export function perform(wish: Action, spec: CompareSpec, state: State, shown: { row: number; key: number }): Partial<State> {
  const { block, rows, columns } = axesOf(spec, state.layer);
  const within = (to: number, size: number): number => Math.min(size - 1, Math.max(0, to));
  switch (wish.do) {
    case "layer":
      return goTo(spec, state, { layer: within(state.layer + wish.by, spec.blocks.length) });
    case "head":
      return { head: within(state.head + wish.by, block.heads), mean: false };
    case "first":
      return { head: 0, mean: false };
    case "last":
      return { head: block.heads - 1, mean: false };
    case "query":
      return move(state, "query", wish.by, rows.labels.length, shown.row);
    case "key":
      return { ...move(state, "key", wish.by, columns.labels.length, shown.key), query: shown.row };
    case "lock":
      return click(state, shown.row, state.query === shown.row ? state.key : null);
    case "unlock":
      return NOTHING;
    default:
      return {};
  }
}

/** Right minus left: unknown where either is, masked where both are; one that is masked counts as 0 (as trace/differences.py). */
export function difference(left: Head, right: Head): Head {
  const states = left.states.map((state, i) => {
    const other = right.states[i]!;
    if (state === NOT_CAPTURED || other === NOT_CAPTURED) return NOT_CAPTURED;
    return state === MASKED && other === MASKED ? MASKED : VALUE;
  });
  const weights = left.weights.map((weight, i) => (states[i] === VALUE ? right.weights[i]! - weight : 0));
  return { queries: left.queries, keys: left.keys, weights, states, resting: null };
}

/** How many bytes stand for a head of a layer. */
export function packedBytes(spec: CompareSpec, layer: number): number {
  const { block, rows, columns } = axesOf(spec, layer);
  const small = (size: number): number => Math.ceil(size / block.step);
  const cells = small(rows.labels.length) * small(columns.labels.length);
  return (block.step === 1 ? 10 : 3) * cells;
}

/** Read a head that attn_widgets/panels/pairs.py packed, its buffers one after the other. */
export function decodeThree(spec: CompareSpec, layer: number, data: DataView, at = 0): Three {
  const { block, rows, columns } = axesOf(spec, layer);
  const queries = Math.ceil(rows.labels.length / block.step);
  const keys = Math.ceil(columns.labels.length / block.step);
  const cells = queries * keys;
  if (block.step === 1) {
    const [left, right] = readSides(data, at, queries, keys);
    return { left, right, difference: difference(left, right), step: 1 };
  }
  const picture = (i: number, low: number): Head => decodePicture(bytes(data, at + i * cells, cells), queries, keys, low);
  return { left: picture(0, 0), right: picture(1, 0), difference: picture(2, -1), step: block.step };
}

/** Weights and states of the left, then of the right. */
export function readSides(data: DataView, at: number, queries: number, keys: number): [Head, Head] {
  const cells = queries * keys;
  const side = (from: number): Head => ({
    queries,
    keys,
    weights: floats(data, from, cells),
    states: bytes(data, from + 4 * cells, cells).slice(),
    resting: null,
  });
  return [side(at), side(at + 5 * cells)];
}

/** Codes of attn_widgets/panels/tiles.py: steps of the scale, then what is no number on it. */
const TOP = 250;
const ZERO = 251;
const NAN = 252;
const MASKED_CODE = 254;
const UNKNOWN_CODE = 255;

function decodePicture(codes: Uint8Array, queries: number, keys: number, low: number): Head {
  const weights = new Float32Array(codes.length);
  const states = new Uint8Array(codes.length);
  codes.forEach((code, i) => {
    if (code === MASKED_CODE) states[i] = MASKED;
    else if (code === UNKNOWN_CODE) states[i] = NOT_CAPTURED;
    else if (code === NAN) weights[i] = Number.NaN;
    else if (code !== ZERO) weights[i] = low + ((1 - low) * code) / TOP;
  });
  return { queries, keys, weights, states, resting: null };
}

/** Reduce a matrix further for the screen: the value farthest from zero of `by` × `by` cells, NaN if one is. */
export function reduce(head: Head, by: number): Head {
  if (by <= 1) return head;
  const queries = Math.ceil(head.queries / by);
  const keys = Math.ceil(head.keys / by);
  const weights = new Float32Array(queries * keys);
  const states = new Uint8Array(queries * keys).fill(NOT_CAPTURED);
  for (let row = 0; row < head.queries; row++) {
    for (let column = 0; column < head.keys; column++) {
      const from = row * head.keys + column;
      const to = Math.floor(row / by) * keys + Math.floor(column / by);
      const state = head.states[from]!;
      const weight = head.weights[from]!;
      states[to] = Math.min(states[to]!, state);
      if (state !== VALUE || Number.isNaN(weights[to]!)) continue;
      if (Number.isNaN(weight) || Math.abs(weight) > Math.abs(weights[to]!)) weights[to] = weight;
    }
  }
  return { queries, keys, weights, states, resting: null };
}
