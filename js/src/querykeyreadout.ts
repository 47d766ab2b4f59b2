/** What the query and key panel says in words and numbers: pure, so that it can be tested. */

import { headName } from "./model.ts";
import { type Axes, type State } from "./state.ts";
import { digits, looksAt, quoted } from "./text.ts";
import type { Lane } from "./lanes.ts";
import { type Pair, softmaxOver, terms, total } from "./vectors.ts";
import { MASKED, NOT_CAPTURED, VALUE } from "./wire.ts";

/** One number on the way from the product to the weight; `op` stands before it. */
export interface Step {
  op: string;
  name: string;
  text: string;
  exact: number | null;
}

/** A number with a minus sign of its own width. */
export const signed = (value: number | null): string => digits(value).replace(/^-/, "−");

/** The way from the product's sum over scale and mask to the weight. */
export function steps(pair: Pair): Step[] {
  const found: Step[] = [];
  const put = (op: string, name: string, text: string, exact: number | null = null): number => found.push({ op, name, text, exact });
  const state = pair.states[pair.key];
  const product = terms(pair);
  const kept = pair.scores?.[pair.key] ?? null;
  if (product) {
    const sum = total(product);
    put("Σ", pair.kind === "additive" ? "sum of v · tanh(q + k + b)" : "sum of the product", signed(sum), sum);
    const score = state === VALUE && kept !== null ? kept : Math.fround(sum * (pair.scale ?? 1));
    if (pair.kind === "dot_product") put("×", "scale", signed(pair.scale), pair.scale);
    put("=", "score", signed(score), score);
  } else put("", "score", state === VALUE && kept !== null ? signed(kept) : "not kept", kept);
  if (state === NOT_CAPTURED) return [...found, { op: "→", name: "weight", text: "not captured", exact: null }];
  put("→", "mask", state === MASKED ? "masked, −∞" : "visible");
  const weight = state === MASKED ? 0 : (pair.weights[pair.key] ?? null);
  const over = state === MASKED ? null : softmaxOver(pair);
  if (over && kept !== null) put("→", `softmax over ${over.count} ${over.count === 1 ? "key" : "keys"}`, `e^(${signed(kept)} − ${signed(over.top).replace(/^(−.*)$/, "($1)")}) ÷ ${digits(over.sum)}`);
  put(over ? "=" : "→", "weight", digits(weight), weight);
  return found;
}

/** The vectors there are, the terms of the score last. */
export function lanesOf(pair: Pair, query: string, key: string): Lane[] {
  const lanes: Lane[] = [];
  const put = (name: string, of: string, values: Float32Array | null): void => {
    if (values) lanes.push({ name, of, values });
  };
  put("query", quoted(query), pair.q);
  put("key", quoted(key), pair.k);
  if (pair.kind === "additive") {
    put("bias b", "of the layer", pair.b);
    put("v", "of the layer", pair.v);
    put("terms", "v · tanh(q + k + b)", terms(pair));
  } else put("product", "query × key", terms(pair));
  return lanes;
}

/** What a dimension contributes, in one line. */
export function dimension(pair: Pair, at: number): string {
  const product = terms(pair);
  const of = (values: Float32Array | null): string => signed(values?.[at] ?? null);
  if (!product) return `dimension ${at}: query ${of(pair.q)}`;
  if (pair.kind === "additive") return `dimension ${at}: ${of(pair.v)} · tanh(${of(pair.q)} + ${of(pair.k)} + ${of(pair.b)}) = ${of(product)}`;
  return `dimension ${at}: ${of(pair.q)} × ${of(pair.k)} = ${of(product)}`;
}

/** What is known of a key of the row, in one line. */
export function keyText(pair: Pair, key: number, token: string): string {
  const state = pair.states[key];
  if (state === MASKED) return `${quoted(token)}: masked`;
  if (state === NOT_CAPTURED) return `${quoted(token)}: not captured`;
  const score = pair.scores ? `score ${signed(pair.scores[key] ?? null)}, ` : "";
  return `${quoted(token)}: ${score}weight ${digits(pair.weights[key] ?? null)}`;
}

/** The sentence of the status line. */
export function sentence(state: State, pair: Pair | null, { rows, columns }: Axes, missing: string): string {
  const name = headName(state.layer, state.head);
  if (!pair) return `${name}: ${missing}`;
  const [row, column] = [rows[pair.query] ?? "", columns[pair.key] ?? ""];
  const at = pair.states[pair.key];
  if (at === MASKED) {
    return pair.states.includes(VALUE) ? `${name}: ${quoted(row)} cannot see ${quoted(column)} (masked)` : `${name}: ${quoted(row)} sees nothing`;
  }
  if (at === NOT_CAPTURED) return `${name}: ${quoted(row)} on ${quoted(column)} was not captured`;
  return looksAt(name, row, column, digits(pair.weights[pair.key] ?? null));
}
