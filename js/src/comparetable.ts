/** A comparison as an HTML table: both weights and the difference of each cell; of a large one, each row's largest differences. */

import type { Axis, Three } from "./comparemodel.ts";
import { absent, rankDifferences, side, signed } from "./comparewords.ts";
import { h } from "./dom.ts";
import { shorten } from "./text.ts";
import { VALUE } from "./wire.ts";

const MOST_CELLS = 1_600;
const LARGEST = 3;

export function compareTable(name: string, three: Three, rows: Axis, columns: Axis, names: [string, string]): HTMLElement {
  const [one, other] = names.map((text) => shorten(text, 24));
  const pictured = three.step > 1;
  const whole = !pictured && rows.labels.length * columns.labels.length <= MOST_CELLS;
  if (pictured) return h("p", {}, `${name} is shown as a picture of ${three.step}×${three.step} cells a point; lock a row to read its numbers.`);
  const what = whole ? "of each column for each row" : `of the ${LARGEST} columns of each row that differ most`;
  const caption = `${name}: weight in ${one} → weight in ${other}, and the difference, ${what}`;
  const top = whole ? columns.labels : Array.from({ length: LARGEST }, (_, i) => `no. ${i + 1}`);
  const body = rows.labels.map((label, row) => {
    const keys = whole ? columns.labels.map((_, key) => key) : rankDifferences(three, row).slice(0, LARGEST).map(({ key }) => key);
    const cells = keys.map((key) => cell(three, rows, columns, row, key, whole));
    return h("tr", {}, header(label, "row"), ...cells);
  });
  const head = h("tr", {}, h("th", { scope: "col" }, "row"), ...top.map((label) => header(label, "col")));
  return h("table", { class: "attn-table" }, h("caption", {}, caption), h("thead", {}, head), h("tbody", {}, ...body));
}

function header(label: string, scope: string): HTMLElement {
  const node = h("th", { scope });
  node.textContent = shorten(label);
  node.title = label;
  return node;
}

function cell(three: Three, rows: Axis, columns: Axis, row: number, key: number, whole: boolean): HTMLElement {
  const at = row * three.left.keys + key;
  const [lacksLeft, lacksRight] = absent(rows, columns, row, key);
  const [left, right] = [side(three.left, at, lacksLeft), side(three.right, at, lacksRight)];
  const node = h("td");
  const both = left === right ? left : `${left} → ${right}`;
  const by = three.difference.states[at] === VALUE ? ` (${signed(three.difference.weights[at] ?? null)})` : "";
  node.textContent = `${whole ? "" : `${shorten(columns.labels[key] ?? "", 16)} `}${both}${by}`;
  return node;
}
