/** The head as an HTML table; of a large one, the strongest keys of each row. */

import { h } from "./dom.ts";
import type { Picture } from "./figure.ts";
import type { Predictions } from "./model.ts";
import { summed } from "./readout.ts";
import { brief, digits, shorten } from "./text.ts";
import { type Head, MASKED, NOT_CAPTURED, rowOf, VALUE } from "./wire.ts";

const MOST_CELLS = 2_500;
const STRONGEST = 5;

/** The table of what is on show; of a matrix in tiles that of the row that is read, once it is here. */
export function tableOf(name: string, head: Head, { rows, columns, predictions, row }: Picture): HTMLTableElement | null {
  if (!head.tiles) return makeTable(name, head, rows, columns, predictions);
  const part = summed(head, [row]);
  return part && makeTable(name, part, [rows[row] ?? ""], columns, null);
}

export function makeTable(name: string, head: Head, rows: string[], columns: string[], predictions: Predictions | null): HTMLTableElement {
  const whole = rows.length * columns.length <= MOST_CELLS;
  const caption = whole ? `${name}: weight of each column for each row` : `${name}: the ${STRONGEST} strongest columns of each row`;
  const heads = whole ? columns : Array.from({ length: STRONGEST }, (_, i) => `no. ${i + 1}`);
  const top = [h("th", { scope: "col" }, "row"), ...heads.map((token) => column(token))];
  if (predictions) top.push(h("th", { scope: "col" }, "predicts"));
  const body = rows.map((token, row) => {
    const label = h("th", { scope: "row" });
    label.textContent = shorten(token);
    label.title = token;
    const cells = whole ? columns.map((_, c) => cell(head, row, c)) : strongest(head, row, columns);
    if (predictions) cells.push(text(`${shorten(predictions.tokens[row] ?? "")} ${brief(predictions.probabilities[row] ?? null)}`));
    return h("tr", {}, label, ...cells);
  });
  return h("table", { class: "attn-table" }, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...top)), h("tbody", {}, ...body));
}

function column(token: string): HTMLElement {
  const node = h("th", { scope: "col" });
  node.textContent = shorten(token);
  node.title = token;
  return node;
}

function text(content: string): HTMLElement {
  const node = h("td");
  node.textContent = content;
  return node;
}

export function cellText(head: Head, row: number, key: number): string {
  const read = rowOf(head, row);
  if (!read) return "…";
  if (read.states[key] === MASKED) return "masked";
  if (read.states[key] === NOT_CAPTURED) return "not captured";
  return digits(read.weights[key] ?? null);
}

const cell = (head: Head, row: number, key: number): HTMLElement => text(cellText(head, row, key));

function strongest(head: Head, row: number, columns: string[]): HTMLElement[] {
  const read = rowOf(head, row);
  if (!read) return [text("…")];
  const keys = columns.map((_, key) => key).filter((key) => read.states[key] === VALUE);
  const weight = (key: number): number => read.weights[key] ?? 0;
  keys.sort((a, b) => weight(b) - weight(a) || a - b);
  return Array.from({ length: STRONGEST }, (_, i) => {
    const key = keys[i];
    return text(key === undefined ? "" : `${shorten(columns[key] ?? "", 16)} ${digits(weight(key))}`);
  });
}
