/** What stands on the screen for a state: the picture, in places as they are shown, and the way back to tokens. */

import type { Answers } from "./answers.ts";
import type { Picture, Window } from "./figure.ts";
import type { Hit } from "./geometry.ts";
import { byWeight, placeOf, predictedAt, type ShownAxis } from "./lens.ts";
import { headName } from "./model.ts";
import type { Selection } from "./selection.ts";
import type { Axes, State } from "./state.ts";
import { type Head, rowOf } from "./wire.ts";

export interface Scene {
  picture: Picture;
  rows: ShownAxis;
  columns: ShownAxis;
  /** The selection in places. */
  at: Selection;
}

/** Columns sorted once for a head and a row, so that a picture is painted once. */
export class Sorted {
  #last: { head: Head; row: number; made: [Head, ShownAxis] } | null = null;

  of(head: Head, columns: ShownAxis, row: number): [Head, ShownAxis] {
    if (this.#last?.head !== head || this.#last.row !== row) this.#last = { head, row, made: byWeight(head, columns, row) };
    return this.#last.made;
  }
}

export function makeScene(answers: Answers, state: State, axes: Axes, hover: Hit, window: Window, sorted: Sorted): Scene {
  const { rows } = answers.look;
  let { head, columns } = answers.look;
  const place = (axis: ShownAxis, token: number | null): number | null => (token === null || !axis.tokens.length ? null : placeOf(axis, token));
  const query = place(rows, state.query);
  const row = Math.max(0, Math.min((state.locked ? null : hover.row) ?? query ?? rows.tokens.length - 1, rows.tokens.length - 1));
  if (state.by_weight && head && !head.tiles) [head, columns] = sorted.of(head, columns, row);
  const at = { query, key: place(columns, state.key), locked: state.locked };
  const pinned = state.pinned.map((pair) => [pair, answers.pinned(state, pair)] as const);
  const { ablation } = answers;
  const picture: Picture = {
    head,
    rows: rows.tokens,
    columns: columns.tokens,
    window,
    selected: state.selected.map((token) => placeOf(rows, token)),
    strips: pinned.flatMap(([[layer, number], pin]) => (pin && !state.by_weight ? [{ name: headName(layer, number), head: pin, row: rowOf(pin, row) }] : [])),
    square: axes.square && !state.by_weight,
    predictions: predictedAt(axes.predictions, rows),
    ablation: ablation && {
      name: ablation.name,
      result: {
        before: predictedAt(ablation.result.before, rows) ?? ablation.result.before,
        after: predictedAt(ablation.result.after, rows) ?? ablation.result.after,
        still: rows.plain ? ablation.result.still : rows.stops.map((stop) => ablation.result.still[stop - 1] ?? null),
      },
    },
    row,
    column: pointed(at, row, hover, columns.tokens.length),
    locked: state.locked,
  };
  return { picture, rows, columns, at };
}

/** The column pointed at in this row, or at its label, else the one that was clicked; the pointer may stay where a matrix was wider. */
function pointed({ query, key }: Selection, row: number, hover: Hit, columns: number): number | null {
  if (hover.column !== null && hover.column < columns && (hover.row === row || hover.row === null)) return hover.column;
  return query === row ? key : null;
}

/** A selection of places as one of tokens. */
export function toTokens({ rows, columns }: Scene, { query, key, locked }: Selection): Selection {
  const token = (axis: ShownAxis, at: number | null): number | null => (at === null ? null : (axis.starts[at] ?? null));
  return { query: token(rows, query), key: token(columns, key), locked };
}
