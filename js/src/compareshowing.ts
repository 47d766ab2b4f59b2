/** What a comparison gives its tools: the three matrices in one picture, the values of both sides, and where they come from. */

import { css, diverging } from "./colours.ts";
import type { Matrix } from "./comparefigure.ts";
import { type Axis, axesOf, type CompareSpec, nameOf, type State, type Three } from "./comparemodel.ts";
import { absent, captions } from "./comparewords.ts";
import type { Table } from "./csv.ts";
import { fit } from "./text.ts";
import type { Theme } from "./theme.ts";
import type { Showing } from "./tools.ts";
import { type Head, MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";

/** Between two matrices. */
export const BETWEEN = 18;
/** Above each matrix stands its name, below the last the scale of differences. */
const ABOVE = 22;
const BELOW = 34;
const BAR = 130;

/** `exact` has every number, of all rows or of the one named. */
export interface Exact {
  three: Three;
  row: number | null;
}

export function compareShowing(spec: CompareSpec, state: State, exact: Exact, matrices: readonly Matrix[], theme: Theme, stacked: boolean): Showing {
  const { rows, columns } = axesOf(spec, state.layer);
  const places = placeAll(matrices, stacked);
  const [one, other] = spec.names;
  const named = exact.row === null ? rows.labels.map((_, row) => row) : [exact.row];
  // As ComparePanel.provenance in attn_widgets/panels/compare.py.
  const sides = Object.fromEntries(
    (spec.about ?? []).flatMap((about, i) => Object.entries(about).map(([name, value]) => [name === "version" ? name : `${i ? "right" : "left"}.${name}`, value])),
  );
  return {
    name: nameOf(state),
    title: [spec.title, `${one} and ${other}`].filter(Boolean).join(" · "),
    width: places.width,
    height: places.height,
    theme,
    scale: { colours: theme.palette, ticks: ["0", "0.5", "1"] },
    about: { ...sides, left: one, right: other, layer: state.layer, ...(state.mean ? {} : { head: state.head }), aggregation: state.mean ? nameOf(state) : "one head" },
    cells: 3 * named.length * columns.labels.length,
    table: () => sidesTable(exact, named, rows, columns, spec.names),
    draw: (context, ratio) => drawAll(context, ratio, matrices, places, captions(spec.names), theme),
  };
}

/** Both weights and their difference, a cell a line. */
export function sidesTable({ three, row: only }: Exact, named: number[], rows: Axis, columns: Axis, names: [string, string]): Table {
  const value = ({ states, weights }: Head, at: number, lacks: boolean): number | string => {
    if (lacks) return "no counterpart";
    return states[at] === MASKED ? "masked" : states[at] === NOT_CAPTURED ? "not captured" : (weights[at] ?? Number.NaN);
  };
  function* each(): Generator<{ name: string; cells: (number | string)[] }> {
    for (const row of named) {
      for (const [column, key] of columns.labels.entries()) {
        const at = (only === null ? row : 0) * three.left.keys + column;
        const [left, right] = absent(rows, columns, row, column);
        const by = three.difference.states[at] === VALUE ? (three.difference.weights[at] ?? Number.NaN) : "";
        yield { name: rows.labels[row] ?? "", cells: [key, value(three.left, at, left), value(three.right, at, right), by] };
      }
    }
  }
  return { corner: "query", columns: ["key", ...names, "difference"], rows: { [Symbol.iterator]: each } };
}

interface Places {
  at: [number, number][];
  width: number;
  height: number;
}

function placeAll(matrices: readonly Matrix[], stacked: boolean): Places {
  const places: Places = { at: [], width: 0, height: 0 };
  for (const { shown } of matrices) {
    const { width = 0, height = 0 } = shown?.layout ?? {};
    const gap = places.at.length ? BETWEEN : 0;
    const [x, y] = stacked ? [0, places.height + gap] : [places.width + gap, 0];
    places.at.push([x, y + ABOVE]);
    places.width = Math.max(places.width, x + width);
    places.height = Math.max(places.height, y + ABOVE + height);
  }
  return { ...places, height: places.height + BELOW };
}

function drawAll(context: CanvasRenderingContext2D, ratio: number, matrices: readonly Matrix[], places: Places, names: string[], theme: Theme): void {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, places.width, places.height);
  matrices.forEach((matrix, i) => {
    const [x, y] = places.at[i] ?? [0, 0];
    const { x: inset = 0, width = 0 } = matrix.shown?.layout ?? {};
    matrix.paint(context, ratio, x, y);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.font = `600 13px ${theme.font}`;
    context.fillStyle = theme.ink;
    context.fillText(fit(names[i] ?? "", width - inset, (text) => context.measureText(text).width), x + inset, y - 8);
  });
  const [x = 0] = places.at.at(-1) ?? [];
  drawScale(context, x + (matrices.at(-1)?.shown?.layout.x ?? 0), places.height - BELOW + 8, theme);
}

/** The scale of the difference, from −1 to +1. */
function drawScale(context: CanvasRenderingContext2D, x: number, y: number, theme: Theme): void {
  const shades = diverging[theme.mode];
  const bar = context.createLinearGradient(x, 0, x + BAR, 0);
  shades.forEach((shade, i) => {
    if (i % 15 === 0) bar.addColorStop(i / (shades.length - 1), css(shade));
  });
  context.fillStyle = bar;
  context.fillRect(x, y, BAR, 9);
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  for (const [i, tick] of ["−1", "0", "+1"].entries()) {
    context.textAlign = i === 0 ? "left" : i === 1 ? "center" : "right";
    context.fillText(tick, x + (BAR * i) / 2, y + 22);
  }
}
