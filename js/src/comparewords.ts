/** What a comparison says in words and numbers: pure, so that it can be tested. */

import { css, diverging, type Mode, signedLevel } from "./colours.ts";
import { type Axis, type Cell, type CompareSpec, type State, type Three } from "./comparemodel.ts";
import type { Hit } from "./geometry.ts";
import type { Entry, Ranking } from "./list.ts";
import { headName } from "./model.ts";
import { digits, quoted, shorten } from "./text.ts";
import { type Head, MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";

/** Which keys do what. */
export const HELP =
  "Two traces and their difference. Left and right arrow keys step heads, up and down layers; Home and End go to the first and last head; " +
  "with Shift they move the row and the column that are read; Enter locks the row, Escape unlocks it; plus and minus zoom, 0 shows all.";

export interface Differing {
  key: number;
  difference: number;
}

/** A number with its sign, as in +0.4321. */
export function signed(value: number | null): string {
  if (value === null || Number.isNaN(value) || value === 0) return digits(value);
  return `${value > 0 ? "+" : "−"}${digits(Math.abs(value))}`;
}

/** The weight of a cell on one side, or why there is none. */
export function side(head: Head, at: number, absent: boolean): string {
  if (absent) return "no counterpart";
  if (head.states[at] === MASKED) return "masked";
  if (head.states[at] === NOT_CAPTURED) return "not captured";
  return digits(head.weights[at] ?? null);
}

/** Whether a cell is absent on the left and on the right. */
export function absent(rows: Axis, columns: Axis, row: number, column: number): [boolean, boolean] {
  return [
    rows.rightOnly.includes(row) || columns.rightOnly.includes(column),
    rows.leftOnly.includes(row) || columns.leftOnly.includes(column),
  ];
}

/** What stands above the three matrices. */
export function captions([one, other]: [string, string]): [string, string, string] {
  return [shorten(one, 48), shorten(other, 48), `${shorten(other, 22)} − ${shorten(one, 22)}`];
}

/** Both weights and their difference; `at` is the cell's number in `three`. */
export function cellWords(three: Three, at: number, names: [string, string], missing: [boolean, boolean]): string {
  const [left, right] = [side(three.left, at, missing[0]), side(three.right, at, missing[1])];
  const sides = `${shorten(names[0], 24)} ${left}, ${shorten(names[1], 24)} ${right}`;
  if (three.difference.states[at] !== VALUE) return sides;
  return `${sides}, difference ${signed(three.difference.weights[at] ?? null)}`;
}

/** Whole tokens of what is pointed at, and its numbers; `exact` has those of the row. */
export function tipWords({ row, column }: Hit, exact: { three: Three; index: number } | null, rows: Axis, columns: Axis, names: [string, string]): string {
  const tokens = [row === null ? null : rows.labels[row], column === null ? null : columns.labels[column]];
  const named = tokens.filter((token) => token != null).map((token) => shorten(token, 300)).join(" → ");
  if (!exact || row === null || column === null) return named;
  const words = cellWords(exact.three, exact.index * exact.three.left.keys + column, names, absent(rows, columns, row, column));
  return [named, words].filter(Boolean).join(": ");
}

/** The columns of a row that differ, the most first; NaN last. */
export function rankDifferences({ difference }: Three, row: number): Differing[] {
  const found: Differing[] = [];
  for (let key = 0; key < difference.keys; key++) {
    const at = row * difference.keys + key;
    if (difference.states[at] === VALUE) found.push({ key, difference: difference.weights[at]! });
  }
  const size = (d: Differing): number => (Number.isNaN(d.difference) ? -1 : Math.abs(d.difference));
  return found.sort((a, b) => size(b) - size(a) || a.key - b.key);
}

export function rowEntries(found: Differing[], columns: string[], current: number | null): Entry[] {
  return found.map(({ key, difference }) => ({
    name: columns[key] ?? "",
    value: Math.abs(difference),
    text: signed(difference),
    current: key === current,
  }));
}

/** How far a row was moved altogether: half of the sum of the absolute differences. */
export function rowMoved(found: Differing[]): string {
  const sum = found.reduce((total, { difference }) => total + Math.abs(difference), 0) / 2;
  return Number.isFinite(sum) ? `moved ${digits(sum)} of the row's weight` : "";
}

export function cellEntries(cells: Cell[], spec: CompareSpec, state: State): Entry[] {
  return cells.map((cell) => {
    const [layer, head, row, column, , , by] = cell;
    const block = spec.blocks[layer];
    const label = (axis: number | undefined, place: number): string => quoted(spec.axes[axis ?? -1]?.labels[place] ?? "");
    return {
      name: `${headName(layer, head)} ${label(block?.rows, row)} at ${label(block?.columns, column)}`,
      value: Math.abs(by ?? 0),
      text: signed(by),
      current: !state.mean && [state.layer, state.head, state.query, state.key].every((at, i) => at === cell[i]),
    };
  });
}

/** How the tokens of both sides were aligned: "8 tokens alike, 2 replaced, 1 only in b". */
export function alignmentWords({ labels, leftOnly, rightOnly, replaced }: Axis, names: [string, string]): string {
  const alike = labels.length - leftOnly.length - rightOnly.length - replaced.length;
  if (alike === labels.length) return "the same tokens";
  const parts = [`${alike} ${alike === 1 ? "token" : "tokens"} alike`];
  if (replaced.length) parts.push(`${replaced.length} replaced`);
  if (leftOnly.length) parts.push(`${leftOnly.length} only in ${shorten(names[0], 24)}`);
  if (rightOnly.length) parts.push(`${rightOnly.length} only in ${shorten(names[1], 24)}`);
  return parts.join(", ");
}

/** The sentence about a row, or about one cell of it; `at` is its first cell's number in `three`. */
export function sentence(
  name: string,
  three: Three | null,
  rows: Axis,
  columns: Axis,
  names: [string, string],
  [row, column, first]: [number, number | null, number],
  missing: string,
): string {
  const token = rows.labels[row] ?? "";
  if (!three) return `${name}: ${quoted(token)}: ${missing}`;
  const at = column ?? rankDifferences(three, Math.floor(first / Math.max(1, three.left.keys)))[0]?.key;
  if (at === undefined) return `${name}: ${quoted(token)} has no difference to show`;
  const words = cellWords(three, first + at, names, absent(rows, columns, row, at));
  return `${name}: ${quoted(token)} at ${quoted(columns.labels[at] ?? "")}: ${words}`;
}


/** Give a list's bars the colour of their sign. */
export function colourBars(list: Ranking, entries: Entry[], mode: Mode): void {
  list.node.querySelectorAll<HTMLElement>(".attn-entry-bar i").forEach((bar, i) => {
    const entry = entries[i];
    if (!entry) return;
    const size = (0.35 + 0.45 * Math.min(1, entry.value)) * (entry.text.startsWith("−") ? -1 : 1);
    const shade = diverging[mode][signedLevel(size)];
    if (shade) bar.style.background = css(shade);
  });
}
