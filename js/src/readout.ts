/** What the panel says in words and numbers about a row: pure, so that it can be tested. */

import type { Picture } from "./figure.ts";
import type { Entry } from "./list.ts";
import { type Ablation, headName } from "./model.ts";
import type { Axes, State } from "./state.ts";
import { brief, digits, looksAt, quoted } from "./text.ts";
import { type Found, type Head, MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";

export interface Key {
  key: number;
  weight: number;
}

/** The keys of a row that have a weight, the strongest first, NaN last. */
export function rankKeys(head: Head, row: number): Key[] {
  const keys: Key[] = [];
  for (let key = 0; key < head.keys; key++) {
    const at = row * head.keys + key;
    if (head.states[at] === VALUE) keys.push({ key, weight: head.weights[at]! });
  }
  const last = (k: Key): number => (Number.isNaN(k.weight) ? 1 : 0);
  return keys.sort((a, b) => last(a) - last(b) || b.weight - a.weight || a.key - b.key);
}

/** Sum of a row, and what of it has no weight. */
export function rowFoot(head: Head, row: number): string {
  let sum = 0;
  let masked = 0;
  let unknown = 0;
  for (let key = 0; key < head.keys; key++) {
    const state = head.states[row * head.keys + key];
    if (state === MASKED) masked++;
    else if (state === NOT_CAPTURED) unknown++;
    else sum += head.weights[row * head.keys + key]!;
  }
  const parts = [masked === head.keys ? "sees nothing" : `row sum ${digits(sum)}`];
  if (masked) parts.push(`${masked} masked`);
  if (unknown) parts.push(`${unknown} not captured`);
  return parts.join(" · ");
}

/** The sentence about a row, or about one cell of it. */
export function sentence(name: string, head: Head, rows: string[], columns: string[], row: number, column: number | null): string {
  const token = rows[row] ?? "";
  if (column !== null) {
    const at = row * head.keys + column;
    const key = columns[column] ?? "";
    if (head.states[at] === MASKED) return `${name}: ${quoted(token)} cannot see ${quoted(key)} (masked)`;
    if (head.states[at] === NOT_CAPTURED) return `${name}: ${quoted(token)} on ${quoted(key)} was not captured`;
    return looksAt(name, token, key, digits(head.weights[at] ?? null));
  }
  const [top] = rankKeys(head, row);
  if (!top) return `${name}: ${quoted(token)} looks at nothing`;
  return looksAt(name, token, columns[top.key] ?? "", digits(top.weight));
}

/** A head that mostly looks at the first token is said to rest there. */
export const RESTS = 0.5;

export function restingNote(head: Head, columns: string[]): string {
  if (head.resting === null || head.resting < RESTS) return "";
  return `rests on the first token ${quoted(columns[0] ?? "")} (mean ${brief(head.resting)})`;
}

/** What switching a head off does to the prediction at a row. */
export function ablationNote(name: string, { before, after, still }: Ablation, row: number): string {
  const was = before.tokens[row] ?? "";
  const is = after.tokens[row] ?? "";
  const old = `${quoted(was)} ${brief(before.probabilities[row] ?? null)}`;
  if (was === is) return `without ${name}: still ${quoted(is)}, ${brief(before.probabilities[row] ?? null)} → ${brief(after.probabilities[row] ?? null)}`;
  return `without ${name}: ${old} → ${quoted(is)} ${brief(after.probabilities[row] ?? null)} (${quoted(was)} keeps ${brief(still[row] ?? null)})`;
}

/** Everything the status line says; `missing` stands for a head that is not here (yet). */
export function describe(name: string, { rows, columns }: Axes, { head, row, column, ablation }: Picture, missing: string): string {
  if (!head) return `${name}: ${missing}`;
  const off = ablation ? ablationNote(ablation.name, ablation.result, row) : "";
  return [sentence(name, head, rows, columns, row, column), restingNote(head, columns), off].filter(Boolean).join(" · ");
}

export const isMasked = (head: Head, row: number, key: number): boolean => head.states[row * head.keys + key] === MASKED;

export function keyEntries(keys: Key[], columns: string[], current: number | null): Entry[] {
  return keys.map(({ key, weight }) => ({
    name: columns[key] ?? "",
    value: weight,
    text: digits(weight),
    current: key === current,
  }));
}

export function headEntries(found: Found[], state: State): Entry[] {
  return found.map(({ layer, head, weight }) => ({
    name: headName(layer, head),
    value: weight,
    text: digits(weight),
    current: !state.mean && layer === state.layer && head === state.head,
  }));
}
