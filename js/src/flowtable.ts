/** A path as an HTML table: a token a row, a column each for what is between the layers. */

import { h } from "./dom.ts";
import { type Path, reached } from "./flowsource.ts";
import { columnName, rank } from "./flowwords.ts";
import { digits, shorten } from "./text.ts";

const MOST = 400;

export function flowTable(name: string, path: Path, tokens: string[]): HTMLTableElement {
  const lowest = reached(path);
  const come = path.shares.slice(lowest);
  const first = rank(come[0] ?? new Float32Array());
  const rows = path.tokens <= MOST ? tokens.map((_, token) => token) : first.slice(0, MOST);
  const more = path.tokens > rows.length ? `; the ${rows.length} largest at ${columnName(path, lowest)}` : "";
  const heads = ["token", ...come.map((_, column) => columnName(path, lowest + column))];
  const body = rows.map((token) => {
    const label = h("th", { scope: "row" });
    label.textContent = shorten(tokens[token] ?? "");
    label.title = tokens[token] ?? "";
    return h("tr", {}, label, ...come.map((shares) => h("td", {}, digits(shares[token] ?? null))));
  });
  const top = h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)));
  return h("table", { class: "attn-table" }, h("caption", {}, `${name}: share of each token${more}`), h("thead", {}, top), h("tbody", {}, ...body));
}
