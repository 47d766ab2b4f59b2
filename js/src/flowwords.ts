/** What the flow panel says in words and numbers: pure, so that it can be tested. */

import type { Entry } from "./list.ts";
import { headName } from "./model.ts";
import { digits, quoted } from "./text.ts";
import type { FlowHit } from "./flowlayout.ts";
import { type Path, reached, type Wanted } from "./flowsource.ts";

/** Which keys do what. */
export const HELP =
  "Path of attention. Up and down arrow keys step layers, left and right too unless one head is followed, then heads; Home and End " +
  "go to the first and last layer; with Shift up and down choose the token, left and right the marked one; Escape lets go; Space plays.";

/** How to read the figure. */
export const READING =
  "Read from right to left: the token at the output of the last layer draws on tokens layer by layer, down to the input. " +
  "A line is as wide as its share of the whole; cells are coloured by share.";

/** Tokens with a share in a column, the largest first; NaN last. */
export function rank(shares: Float32Array): number[] {
  const found: number[] = [];
  shares.forEach((share, token) => {
    if (share !== 0) found.push(token);
  });
  const worth = (token: number): number => (Number.isNaN(shares[token]!) ? Number.NEGATIVE_INFINITY : shares[token]!);
  return found.sort((a, b) => (worth(b) === worth(a) ? a - b : worth(b) - worth(a)));
}

/** What is chained. */
export function wayOf({ method, heads, head }: Pick<Wanted, "method" | "heads" | "head">): string {
  return `${method} of ${heads === "mean" ? "the mean of heads" : heads === "max" ? "the maximum of heads" : `head ${head} of each layer`}`;
}

/** Where a column stands. */
export function columnName({ layers }: Path, column: number): string {
  const layer = layers[column];
  return layer === undefined ? `the output of L${layers.at(-1) ?? 0}` : `the input of L${layer}`;
}

/** Place of a layer among those that are chained; while it has not come, of the lowest that has. */
export const placeOf = (path: Path, layer: number): number => Math.max(reached(path), path.layers.indexOf(layer));

/** The sentence of the status line: what the token draws on at the input of a layer, or how much on the marked one. */
export function sentence(path: Path | null, tokens: string[], query: number, layer: number, marked: number | null, missing: string): string {
  const who = quoted(tokens[query] ?? "");
  if (!path) return `${who}: ${missing}`;
  const column = placeOf(path, layer);
  const shares = path.shares[column] ?? new Float32Array();
  const token = marked ?? rank(shares)[0];
  if (token === undefined) return `${who} draws on nothing at ${columnName(path, column)}`;
  return `${who} draws on ${quoted(tokens[token] ?? "")} ${digits(shares[token] ?? null)} at ${columnName(path, column)}`;
}

/** Names token, layer and share of what is pointed at. */
export function hitText(hit: FlowHit, path: Path, tokens: string[]): string {
  if ("line" in hit) {
    const { query, key, share } = hit.line;
    return `L${path.layers[hit.place] ?? 0}: ${quoted(tokens[query] ?? "")} → ${quoted(tokens[key] ?? "")}, share ${digits(share)}`;
  }
  return `${quoted(tokens[hit.token] ?? "")} at ${columnName(path, hit.column)}: share ${digits(path.shares[hit.column]?.[hit.token] ?? null)}`;
}

export function entries(shares: Float32Array, ranked: number[], tokens: string[], marked: number | null): Entry[] {
  return ranked.map((token) => ({ name: tokens[token] ?? "", value: shares[token]!, text: digits(shares[token] ?? null), current: token === marked }));
}

/** How much of the whole is shown, and what was lost on the way. */
export function foot(shares: Float32Array): string {
  const sum = shares.reduce((total, share) => total + share, 0);
  if (Number.isNaN(sum)) return "sum NaN: a row on the way is not a number";
  const lost = 1 - sum;
  if (Math.abs(lost) < 1e-4) return `sum ${digits(sum)}`;
  return `sum ${digits(sum)} · ${lost > 0 ? "the rest was lost in rows that see nothing, were not captured, or sum to less" : "rows on the way sum to more than 1"}`;
}

/** A path belongs to a kind of layer, and to one head where it is of one. */
export const nameOf = ({ layer, heads, head }: Wanted): string => (heads === "head" ? headName(layer, head) : `L${layer}`);
