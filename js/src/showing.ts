/** What the head panel gives its tools: the picture on show, its values, and where they come from. */

import { headTable } from "./csv.ts";
import type { Figure, Picture } from "./figure.ts";
import type { Layout } from "./geometry.ts";
import { tickText } from "./legend.ts";
import type { Spec } from "./model.ts";
import { nameOf, type State } from "./state.ts";
import type { Theme } from "./theme.ts";
import type { Showing } from "./tools.ts";
import { rowOf } from "./wire.ts";

export function showing(spec: Spec, state: State, picture: Picture, figure: Figure, layout: Layout, theme: Theme): Showing | null {
  const { head, rows, columns, row } = picture;
  if (!head) return null;
  // Of a large matrix the row that is read is here exactly.
  const read = head.tiles ? rowOf(head, row) : head;
  if (!read) return null;
  const names = head.tiles ? [rows[row] ?? ""] : rows;
  const { low = 0, high = 1 } = head;
  const aggregation = state.mean ? nameOf(state) : "one head";
  return {
    name: nameOf(state),
    title: spec.title,
    width: layout.width,
    height: layout.height,
    theme,
    scale: { colours: theme.palette, ticks: [low, (low + high) / 2, high].map(tickText) },
    about: { ...spec.about?.[state.moment], layer: state.layer, ...(state.mean ? {} : { head: state.head }), aggregation, value: state.value },
    cells: names.length * columns.length,
    table: () => headTable({ keys: columns.length, weights: read.weights, states: read.states }, names, columns),
    draw: (context, ratio) => figure.paint(context, picture, layout, theme, ratio),
  };
}
