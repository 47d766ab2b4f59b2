/** Reading and setting the traits that are stepped through, and what exists for them. */

import type { AnyModel } from "@anywidget/types";
import { assert, type Block, type Frame, type HeadModel, headName, type Predictions, type Spec } from "./model.ts";
import { tokensOf } from "./wire.ts";

/** Where a panel stands, and what it makes of the heads there. */
export const TRAITS = [
  "moment", "layer", "head", "query", "key", "mean", "locked", "ablated",
  "how", "over", "pinned", "selected", "value", "words", "hide_special", "by_weight", "threshold", "top", "last",
] as const;
export type State = Pick<HeadModel, (typeof TRAITS)[number]>;

export function readState(model: AnyModel<HeadModel>): State {
  return {
    moment: model.get("moment"),
    layer: model.get("layer"),
    head: model.get("head"),
    query: model.get("query"),
    key: model.get("key"),
    mean: model.get("mean"),
    locked: model.get("locked"),
    ablated: model.get("ablated") ?? false,
    how: model.get("how") ?? "mean",
    over: model.get("over") ?? "layer",
    pinned: model.get("pinned") ?? [],
    selected: model.get("selected") ?? [],
    value: model.get("value") ?? "weight",
    words: model.get("words") ?? false,
    hide_special: model.get("hide_special") ?? false,
    by_weight: model.get("by_weight") ?? false,
    threshold: model.get("threshold") ?? 0,
    top: model.get("top") ?? 0,
    last: model.get("last") ?? 0,
  };
}

/** Set what is shown; `save_changes` tells the kernel. */
export function setState(model: AnyModel<HeadModel>, patch: Partial<State>): void {
  const set = <K extends keyof State>(name: K): void => {
    const value = patch[name];
    if (value !== undefined) model.set(name, value as HeadModel[K]);
  };
  TRAITS.forEach(set);
}

export function saveState(model: AnyModel<HeadModel>, patch: Partial<State>): void {
  setState(model, patch);
  model.save_changes();
}

/** What exists at a state: its frame, its layer, the tokens of both axes. */
export interface Axes {
  frame: Frame;
  block: Block;
  rows: string[];
  columns: string[];
  square: boolean;
  /** Beside the rows; none beside those of an encoder that a decoder reads from. */
  predictions: Predictions | null;
  /** What kind of attention this is, where a trace has several. */
  kind: Block["kind"] | "";
}

export function axesOf(spec: Spec, state: State): Axes {
  const frame = spec.frames[state.moment];
  const block = frame?.blocks[state.layer];
  assert(frame && block, `there is no layer ${state.layer} at moment ${state.moment}`);
  const mixed = frame.blocks.some((other) => other.kind !== block.kind);
  return {
    frame,
    block,
    rows: tokensOf(frame, block.queries),
    columns: tokensOf(frame, block.keys),
    square: block.queries === block.keys,
    predictions: block.kind === "encoder" && mixed ? null : frame.predictions,
    kind: mixed || block.kind === "cross" ? block.kind : "",
  };
}

/** Step to a layer or a moment, with head, row and column kept within it; no row is locked where it is not there. */
export function goTo(spec: Spec, state: State, patch: Partial<State>): Partial<State> {
  const next = { ...state, ...patch };
  const { block, rows, columns } = axesOf(spec, next);
  const inside = (at: number | null, size: number): number | null => (at !== null && at < size ? at : null);
  const query = inside(next.query, rows.length);
  return {
    ...patch,
    head: Math.min(next.head, block.heads - 1),
    query,
    key: inside(next.key, columns.length),
    locked: next.locked && query !== null,
    selected: next.selected.filter((row) => row < rows.length),
  };
}

/** The next head in reading order, from the last one back to the first. */
export function nextHead(spec: Spec, state: State): Partial<State> {
  const blocks = spec.frames[state.moment]?.blocks ?? [];
  const heads = blocks[state.layer]?.heads ?? 1;
  if (!state.mean && state.head + 1 < heads) return { head: state.head + 1 };
  return goTo(spec, state, { layer: (state.layer + 1) % blocks.length, head: 0 });
}

/** Whether heads can be switched off here: only the panel's own trace has a model to ask. */
export const canAblate = (spec: Spec, state: State): boolean =>
  spec.ablate && !state.mean && state.moment === spec.frames.length - 1;

/** What is on show: a head, or heads combined. */
export function nameOf(state: State): string {
  if (!state.mean) return headName(state.layer, state.head);
  if (state.over === "all") return `${state.how} of all heads`;
  if (state.over === "pinned" && state.pinned.length) return `${state.how} of ${state.pinned.map(([layer, head]) => headName(layer, head)).join(", ")}`;
  return `L${state.layer} ${state.how}`;
}
