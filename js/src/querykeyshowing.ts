/** What the query and key panel gives its tools: vectors, the way to the weight and the row in one picture, and the row's values. */

import type { Table } from "./csv.ts";
import type { Lanes } from "./lanes.ts";
import { headName } from "./model.ts";
import { lanesOf, type Step, steps } from "./querykeyreadout.ts";
import type { RowBars } from "./rowbars.ts";
import type { Axes, State } from "./state.ts";
import { quoted } from "./text.ts";
import type { Theme } from "./theme.ts";
import type { Showing } from "./tools.ts";
import type { Pair } from "./vectors.ts";
import type { PairModel } from "./vectorsource.ts";
import { MASKED, NOT_CAPTURED } from "./wire.ts";

/** Height of a line of steps, and between two of them. */
const LINE = 44;
const APART = 18;

/** `order` is that of the keys on show. */
export function pairShowing(spec: PairModel["_spec"], state: State, pair: Pair, order: number[], { rows, columns }: Axes, lanes: Lanes, bars: RowBars, theme: Theme): Showing | null {
  const [above, below] = [lanes.layout, bars.layout];
  if (!above || !below) return null;
  const [query, key] = [rows[pair.query] ?? "", columns[pair.key] ?? ""];
  const all = steps(pair);
  const width = Math.max(above.width, below.width);
  const lines = layLines(all, width, measureIn(theme));
  const top = pair.q ? above.height : 0;
  const middle = LINE * lines.length + 8;
  return {
    name: headName(state.layer, state.head),
    title: [spec.title, `${quoted(query)} at ${quoted(key)}`].filter(Boolean).join(" · "),
    width,
    height: top + middle + below.height,
    theme,
    scale: { colours: theme.palette, ticks: ["0", "0.5", "1"] },
    about: { ...spec.about?.[state.moment], layer: state.layer, head: state.head, aggregation: "one head", query: pair.query, key: pair.key },
    cells: 2 * order.length,
    table: () => rowTable(pair, order, columns),
    draw: (context, ratio) => {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, top + middle + below.height);
      if (pair.q) lanes.paint(context, lanesOf(pair, query, key), above, theme, ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      lines.forEach((line, i) => drawLine(context, line, top + i * LINE, theme, all.at(-1)));
      bars.paint?.(context, ratio, top + middle);
    },
  };
}

/** Score and weight of each key of the row, as on show. */
export function rowTable({ scores, weights, states }: Pair, order: number[], columns: string[]): Table {
  const none = (key: number): string => (states[key] === MASKED ? "masked" : states[key] === NOT_CAPTURED ? "not captured" : "");
  const rows = order.map((key) => ({
    name: columns[key] ?? "",
    cells: [none(key) || (scores?.[key] ?? "not kept"), none(key) || (weights[key] ?? Number.NaN)],
  }));
  return { corner: "key", columns: ["score", "weight"], rows };
}

interface Placed extends Step {
  x: number;
}

/** How wide words are in a size of the theme's font. */
function measureIn(theme: Theme): (words: string, font: string) => number {
  const context = document.createElement("canvas").getContext("2d");
  return (words, font) => {
    if (!context) return 9 * words.length;
    context.font = `${font} ${theme.font}`;
    return context.measureText(words).width;
  };
}

/** Steps side by side, in as many lines as they need. */
function layLines(all: Step[], width: number, wide: (words: string, font: string) => number): Placed[][] {
  const lines: Placed[][] = [[]];
  let x = 0;
  for (const step of all) {
    const room = (step.op ? 24 : 0) + Math.max(wide(step.text, "600 16px"), wide(step.name, "11px"));
    if (x && x + room > width) {
      lines.push([]);
      x = 0;
    }
    lines.at(-1)?.push({ ...step, x });
    x += room + APART;
  }
  return lines;
}

function drawLine(context: CanvasRenderingContext2D, line: Placed[], y: number, theme: Theme, last: Step | undefined): void {
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { op, name, text, x } of line) {
    const left = x + (op ? 24 : 0);
    context.fillStyle = theme.muted;
    context.font = `16px ${theme.font}`;
    if (op) context.fillText(op, x, y + 28);
    context.font = `11px ${theme.font}`;
    context.fillText(name, left, y + 10);
    context.font = `600 16px ${theme.font}`;
    context.fillStyle = name === last?.name ? theme.accent : theme.ink;
    context.fillText(text, left, y + 28);
  }
}
