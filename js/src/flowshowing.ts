/** What the flow panel gives its tools: the graph on show, the share of each token, and where they come from. */

import type { FlowFigure, FlowPicture } from "./flowfigure.ts";
import type { FlowModel, Path, Wanted } from "./flowsource.ts";
import { columnName, nameOf, wayOf } from "./flowwords.ts";
import type { Row, Table } from "./csv.ts";
import type { Theme } from "./theme.ts";
import type { Showing } from "./tools.ts";

export function flowShowing(spec: FlowModel["_spec"], wanted: Wanted, picture: FlowPicture, figure: FlowFigure, theme: Theme): Showing | null {
  const { layout } = figure;
  if (!layout) return null;
  const { path, tokens, edges, least } = picture;
  const { moment, layer, query, method, heads, head } = wanted;
  return {
    name: `${nameOf(wanted)} ${wayOf(wanted)}`,
    title: spec.title,
    width: layout.width,
    height: layout.height,
    theme,
    scale: { colours: theme.palette, ticks: ["0", "0.5", "1"] },
    about: { ...spec.about?.[moment], layer, ...(heads === "head" ? { head } : {}), query, method, heads, edges, least },
    cells: path.tokens * path.shares.length,
    table: () => sharesTable(path, tokens),
    draw: (context, ratio) => figure.paint(context, picture, layout, theme, ratio),
  };
}

/** The share of every token, a column each for what is between the layers. */
export function sharesTable(path: Path, tokens: string[]): Table {
  const row = (name: string, token: number): Row => ({ name, cells: path.shares.map((shares) => shares[token] ?? Number.NaN) });
  return { corner: "token", columns: path.shares.map((_, column) => columnName(path, column)), rows: tokens.map(row) };
}
