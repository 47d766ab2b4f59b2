/** A pair and its row as HTML tables. */

import { h } from "./dom.ts";
import { keyText, lanesOf, signed } from "./querykeyreadout.ts";
import { digits, shorten } from "./text.ts";
import type { Pair } from "./vectors.ts";
import { MASKED, NOT_CAPTURED } from "./wire.ts";

const MOST = 1_000;

function row(first: string, cells: string[], title = first): HTMLElement {
  const head = h("th", { scope: "row" });
  head.textContent = shorten(first);
  head.title = title;
  return h("tr", {}, head, ...cells.map((cell) => {
    const node = h("td");
    node.textContent = cell;
    return node;
  }));
}

function table(caption: string, heads: string[], lines: HTMLElement[]): HTMLElement {
  const top = h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)));
  return h("table", { class: "attn-table" }, h("caption", {}, caption), h("thead", {}, top), h("tbody", {}, ...lines));
}

/** Keys in this order with score and weight, and the numbers of every dimension. */
export function makeTables(name: string, pair: Pair, order: number[], rows: string[], columns: string[]): HTMLElement[] {
  const query = rows[pair.query] ?? "";
  const weight = (key: number): string => {
    if (pair.states[key] === MASKED) return "masked";
    return pair.states[key] === NOT_CAPTURED ? "not captured" : digits(pair.weights[key] ?? null);
  };
  const keys = order.slice(0, MOST).map((key) =>
    row(columns[key] ?? "", [String(key), pair.scores ? signed(pair.scores[key] ?? null) : "not kept", weight(key)], keyText(pair, key, columns[key] ?? "")),
  );
  const more = order.length > MOST ? `; ${order.length - MOST} more` : "";
  const found = [table(`${name}, row ${shorten(query)}: score and weight of every key${more}`, ["token", "key", "score", "weight"], keys)];
  const lanes = lanesOf(pair, query, columns[pair.key] ?? "");
  if (!lanes.length) return found;
  const dims = Array.from(lanes[0]?.values ?? [], (_, i) => row(String(i), lanes.map((lane) => signed(lane.values[i] ?? null))));
  const caption = `${name}: ${shorten(query)} and ${shorten(columns[pair.key] ?? "")}, dimension by dimension`;
  return [table(caption, ["dimension", ...lanes.map((lane) => lane.name)], dims), ...found];
}
