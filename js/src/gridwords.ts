/** What the grid says in words and numbers; pure but for the table. */

import type { Table as Values } from "./csv.ts";
import { h } from "./dom.ts";
import { type Layer, type LayerSize, type Metric, NOT_A_NUMBER, readMetric, type Reading, ZERO } from "./griddata.ts";
import type { GridPicture } from "./gridfigure.ts";
import type { Place } from "./gridorder.ts";
import { DOTTED, fitCells } from "./gridpaint.ts";
import { headName } from "./model.ts";
import { digits } from "./text.ts";
import { MASKED, NOT_CAPTURED } from "./wire.ts";

const MOST_LINES = 1_024;

/** A number, or why there is none; `exact` with seven digits. */
export function readingText(reading: Reading, exact = false): string {
  if ("missing" in reading) return reading.missing;
  return exact ? String(Number(reading.number.toPrecision(7))) : digits(reading.number);
}

/** All metrics of a head that has any. */
export function tipText(at: Place, metrics: Metric[], layer: Layer | undefined, exact = true): string {
  if (!layer || at[1] >= layer.have) return `${headName(...at)}  not here`;
  const known = metrics.map((metric, i): [Metric, Reading] => [metric, readMetric(layer, at[1], i)]).filter(([, reading]) => "number" in reading);
  return [headName(...at), known.map(([metric, reading]) => `${metric.title} ${readingText(reading, exact)}`).join(" · ")].filter(Boolean).join("  ");
}

/** The sentence about a head, or about a layer's mean. */
export function sayHead(at: Place, rank: string, what: string, mean: boolean, metrics: Metric[], { read, layerOf }: GridPicture): string {
  if (mean) return `L${at[0]} mean of heads`;
  const shown = read ? `${headName(...at)}: ${what} ${readingText(read(...at))}` : tipText(at, metrics, layerOf(at[0]), false).replace("  ", ": ");
  return [shown, rank].filter(Boolean).join(" · ");
}

/** How large cells are drawn: whether zeros get their dot, and what a point on the screen is the maximum of. */
export function cellSize(sizes: LayerSize[], side: number, ratio: number): { dotted: boolean; joined: number[] } {
  const fits = sizes.map((size) => ({ size, fit: fitCells(size.rows, size.columns, Math.round(side * ratio)) }));
  return {
    dotted: fits.some(({ fit }) => Math.min(fit.width / fit.columns, fit.height / fit.rows) >= DOTTED),
    joined: [...new Set(fits.map(({ size, fit }) => size.factor * fit.factor))].sort((a, b) => a - b),
  };
}

/** Which states the legend has to name. */
export function legendStates(layers: (Layer | undefined)[], picture: GridPicture, dotted: boolean): string[] {
  const missing = layers.some((layer) => !layer || layer.have < layer.heads);
  if (picture.read) {
    const read = picture.read;
    const named = new Set<string>(picture.rows.flat().map((place) => read(...place)).map((reading) => ("missing" in reading ? reading.missing : "")));
    return ["masked", "not a number", "not captured", "no row counts", "not here"].filter((name) => named.has(name));
  }
  const any = (state: number): boolean => layers.some((layer) => (((layer?.marks ?? 0) >> state) & 1) === 1);
  const named: [string, boolean][] = [
    ["masked", any(MASKED)],
    ["zero", dotted && any(ZERO)],
    ["not a number", any(NOT_A_NUMBER)],
    ["not captured", any(NOT_CAPTURED)],
    ["not here", missing],
  ];
  return named.filter(([, there]) => there).map(([name]) => name);
}

/** What stands under the colour scale. */
export const ticks = (end: number): string[] => [0, end / 2, end].map((value) => String(Number(value.toPrecision(3))));

/** How to read the grid. */
export function reading(metric: Metric | null, inLayers: boolean, joined: number[], what: string): string {
  const order = inLayers ? "A layer a row, a head a column" : "The largest first";
  if (metric) return `${order}; the colour is the ${metric.name === "found" ? what : metric.about.replace(/^mean/, "head’s mean")}.`;
  const most = joined.at(-1) ?? 1;
  const least = joined[0] ?? 1;
  const squares = least === most ? `${most}×${most}` : `${least}×${least} to ${most}×${most}`;
  const maximum = most > 1 ? ` Each point is the maximum of ${squares} weights.` : "";
  return `${order}; in each a row is the reading position, a column what it looks at.${maximum}`;
}

/** Names of what a table of heads holds, and a head's readings of it. */
function tabled(metrics: Metric[], layerOf: GridPicture["layerOf"], found: GridPicture["read"]): [string[], (place: Place) => Reading[]] {
  const names = [...(found ? ["weight on the cell"] : []), ...metrics.map((metric) => metric.title)];
  const readings = (place: Place): Reading[] => [
    ...(found ? [found(...place)] : []),
    ...metrics.map((_, i) => readMetric(layerOf(place[0]), place[1], i)),
  ];
  return [names, readings];
}

/** Heads × metrics as values, in the order shown. */
export function gridValues(places: Place[], metrics: Metric[], layerOf: GridPicture["layerOf"], found: GridPicture["read"]): Values {
  const [columns, readings] = tabled(metrics, layerOf, found);
  const cell = (reading: Reading): number | string => ("number" in reading ? reading.number : reading.missing);
  return { corner: "head", columns, rows: places.map((place) => ({ name: headName(...place), cells: readings(place).map(cell) })) };
}

/** Heads × metrics, in the order shown. */
export function gridTable(places: Place[], metrics: Metric[], layerOf: GridPicture["layerOf"], found: GridPicture["read"]): HTMLTableElement {
  const [names, readings] = tabled(metrics, layerOf, found);
  const top = h("tr", {}, ...["head", ...names].map((name) => h("th", { scope: "col" }, name)));
  const lines = places.slice(0, MOST_LINES).map((place) =>
    h("tr", {}, h("th", { scope: "row" }, headName(...place)), ...readings(place).map((r) => h("td", {}, readingText(r)))),
  );
  const left = places.length - lines.length;
  const caption = left > 0 ? `metrics of the first ${lines.length} heads; ${left} more are not listed` : "metrics of each head";
  return h("table", { class: "attn-table" }, h("caption", {}, caption), h("thead", {}, top), h("tbody", {}, ...lines));
}
