/** What a click or a key does to what is selected: pure, so that it can be tested. */

import type { Spec } from "./model.ts";
import { axesOf, type State } from "./state.ts";

export interface Selection {
  query: number | null;
  key: number | null;
  locked: boolean;
}

export const NOTHING: Selection = { query: null, key: null, locked: false };

/** A click on a row locks it, on a cell also its column; the same again unlocks. */
export function click({ query, key, locked }: Selection, row: number, column: number | null): Selection {
  if (locked && query === row && key === column) return NOTHING;
  return { query: row, key: column, locked: true };
}

/** Move the row or the column by a number of places; the first move starts from `start`. */
export function move(now: Selection, axis: "query" | "key", by: number, size: number, start: number): Selection {
  const { query, key } = now;
  const from = now[axis];
  return { query, key, [axis]: from === null ? start : within(from + by, size), locked: true };
}

const within = (to: number, size: number): number => Math.min(size - 1, Math.max(0, to));

export type Action =
  | { do: "layer" | "head" | "query" | "key"; by: number }
  | { do: "first" | "last" }
  | { do: "closer" | "farther" | "whole" }
  | { do: "lock" | "unlock" | "play" };

/** What a key means to the panel; null leaves it to the page. */
export function action(key: string, shift: boolean): Action | null {
  switch (key) {
    case "ArrowLeft":
    case "ArrowRight":
      return { do: shift ? "key" : "head", by: key === "ArrowLeft" ? -1 : 1 };
    case "ArrowUp":
    case "ArrowDown":
      return { do: shift ? "query" : "layer", by: key === "ArrowUp" ? -1 : 1 };
    case "PageUp":
    case "PageDown":
      return { do: "query", by: key === "PageUp" ? -10 : 10 };
    case "Home":
      return { do: "first" };
    case "End":
      return { do: "last" };
    case "Enter":
      return { do: "lock" };
    case "Escape":
      return { do: "unlock" };
    case "+":
    case "=":
      return { do: "closer" };
    case "-":
      return { do: "farther" };
    case "0":
      return { do: "whole" };
    case " ":
      return { do: "play" };
    default:
      return null;
  }
}

/**
 * What an action changes. Rows and columns are counted as they are shown: `now` is the selection among them, `shown`
 * the row on show, its strongest key, and how many rows and columns there are.
 */
export function perform(
  wish: Action,
  spec: Spec,
  state: State,
  now: Selection,
  shown: { row: number; key: number; rows: number; columns: number },
): Partial<State> {
  const { frame, block } = axesOf(spec, state);
  switch (wish.do) {
    case "layer":
      return { layer: within(state.layer + wish.by, frame.blocks.length) };
    case "head":
      return { head: within(state.head + wish.by, block.heads), mean: false };
    case "first":
      return { head: 0, mean: false };
    case "last":
      return { head: block.heads - 1, mean: false };
    case "query":
      return move(now, "query", wish.by, shown.rows, shown.row);
    case "key":
      return { ...move(now, "key", wish.by, shown.columns, shown.key), query: shown.row };
    case "lock":
      return click(now, shown.row, now.query === shown.row ? now.key : null);
    case "unlock":
      return NOTHING;
    case "closer":
    case "farther":
    case "whole":
    case "play":
      return {};
  }
}

/** Keep a head beside the one on show, or let it go; the oldest leaves when there are eight. */
export function withPin({ pinned, layer, head }: State, on: boolean): Partial<State> {
  const others = pinned.filter(([l, hd]) => l !== layer || hd !== head);
  return { pinned: on ? [...others.slice(-7), [layer, head]] : others };
}

/** Sum a further row, or no more; the first one is locked. */
export function withRow({ query, selected }: State, token: number): Partial<State> {
  if (query === null) return { query: token, key: null, locked: true };
  if (token === query) return {};
  return { locked: true, selected: selected.includes(token) ? selected.filter((other) => other !== token) : [...selected.slice(-63), token] };
}
