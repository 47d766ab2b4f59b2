/** What the panel says in words and numbers about a row: pure, so that it can be tested. */

import type { Picture } from "./figure.ts";
import type { Entries, Entry } from "./list.ts";
import { type Ablation, headName } from "./model.ts";
import type { State } from "./state.ts";
import { brief, digits, looksAt, quoted } from "./text.ts";
import { type Found, type Head, HIDDEN, isWeights, MASKED, NOT_CAPTURED, type Row, rowOf, shareOf, VALUE } from "./wire.ts";

export interface Key {
  key: number;
  weight: number;
}

/** What was ranked last: several ask for it while a picture is drawn. */
let ranked: { head: Head; row: number; read: Row | null; keys: Key[] } | null = null;

/** The keys of a row that have a weight, the strongest first, NaN last. */
export function rankKeys(head: Head, row: number): Key[] {
  const read = rowOf(head, row);
  if (ranked?.head === head && ranked.row === row && (!head.tiles || ranked.read === read)) return ranked.keys;
  ranked = { head, row, read, keys: rank(head, read) };
  return ranked.keys;
}

function rank(head: Head, read: Row | null): Key[] {
  if (!read) return [];
  const { weights, states } = read;
  const numbers: number[] = [];
  const broken: number[] = [];
  for (let key = 0; key < head.keys; key++) {
    if (states[key] === VALUE) (Number.isNaN(weights[key]) ? broken : numbers).push(key);
  }
  numbers.sort((a, b) => weights[b]! - weights[a]! || a - b);
  return [...numbers, ...broken].map((key) => ({ key, weight: weights[key]! }));
}

/** Several rows as one: the sum of their weights; null while one is not here. */
export function summed(head: Head, rows: number[]): Head | null {
  const read = rows.map((row) => rowOf(head, row));
  const weights = new Float32Array(head.keys);
  const states = new Uint8Array(head.keys).fill(NOT_CAPTURED);
  for (const row of read) {
    if (!row) return null;
    for (let key = 0; key < head.keys; key++) {
      if (row.states[key] === VALUE) weights[key]! += row.weights[key]!;
      states[key] = Math.min(states[key]!, row.states[key]!);
    }
  }
  return { queries: 1, keys: head.keys, weights, states, resting: null, low: head.low ?? 0, high: head.high ?? 1 };
}

/** Sum of a row, and what of it has no weight. */
export function rowFoot(head: Head, row: number): string {
  const read = rowOf(head, row);
  if (!read) return "";
  let sum = 0;
  let masked = 0;
  let unknown = 0;
  let hidden = 0;
  read.states.forEach((state, key) => {
    if (state === MASKED) masked++;
    else if (state === NOT_CAPTURED) unknown++;
    else sum += read.weights[key]!;
    if (state === HIDDEN) hidden++;
  });
  const parts = masked === head.keys ? ["sees nothing"] : isWeights(head) ? [`row sum ${digits(sum)}`] : [];
  if (masked) parts.push(`${masked} masked`);
  if (unknown) parts.push(`${unknown} not captured`);
  if (hidden) parts.push(`${hidden} left out`);
  return parts.join(" · ");
}

/** The sentence about a row, or about one cell of it. */
export function sentence(name: string, head: Head, rows: string[], columns: string[], row: number, column: number | null): string {
  const token = rows[row] ?? "";
  const read = rowOf(head, row);
  if (!read) return `${name}: ${quoted(token)}: waiting for the row…`;
  if (column !== null) {
    const key = columns[column] ?? "";
    if (read.states[column] === MASKED) return `${name}: ${quoted(token)} cannot see ${quoted(key)} (masked)`;
    if (read.states[column] === NOT_CAPTURED) return `${name}: ${quoted(token)} on ${quoted(key)} was not captured`;
    return looksAt(name, token, key, digits(read.weights[column] ?? null));
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
export function describe(name: string, { head, rows, columns, row, column, ablation }: Picture, missing: string): string {
  if (!head) return `${name}: ${missing}`;
  if (!rows.length || !columns.length) return `${name}: only special tokens, all of them hidden`;
  const off = ablation ? ablationNote(ablation.name, ablation.result, row) : "";
  return [sentence(name, head, rows, columns, row, column), restingNote(head, columns), off].filter(Boolean).join(" · ");
}

export const isMasked = (head: Head, row: number, key: number): boolean => rowOf(head, row)?.states[key] === MASKED;

/** Entries are made as they are shown: of thousands of keys a few are. */
export function keyEntries(head: Head, keys: Key[], columns: string[], current: number | null): Entries {
  const entry = ({ key, weight }: Key): Entry => ({
    name: columns[key] ?? "",
    value: shareOf(head, weight),
    text: digits(weight),
    current: key === current,
  });
  return { length: keys.length, slice: (start, end) => keys.slice(start, end).map(entry) };
}

export function headEntries(found: Found[], state: State): Entry[] {
  return found.map(({ layer, head, weight }) => ({
    name: headName(layer, head),
    value: weight,
    text: digits(weight),
    current: !state.mean && layer === state.layer && head === state.head,
  }));
}
