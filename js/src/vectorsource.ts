/** Where pairs come from: heads that were sent with the panel, else asked of the kernel. */

import type { AnyModel } from "@anywidget/types";
import { Link, type Reply } from "./link.ts";
import { assert, type HeadModel, headName, type Spec } from "./model.ts";
import { axesOf, type State } from "./state.ts";
import { type Kind, type PackedHeads, type Pair, unpack } from "./vectors.ts";
import { bytes, floats } from "./wire.ts";

/** The traits of `QueryKeyPanel`; in the Explorer some are not there. */
export interface PairModel extends HeadModel {
  by_weight: boolean;
  _spec: Spec & { vectors?: PackedHeads };
  _vectors?: DataView;
}

/** What is wanted: without a key, the one with the largest weight. */
export interface Wanted extends Pick<State, "moment" | "layer" | "head"> {
  query: number;
  key: number | null;
}

/** Pairs asked for are kept up to this many. */
const KEPT = 256;

const nameOf = ({ moment, layer, head, query, key }: Wanted): string => [moment, layer, head, query, key].join();

export class Pairs {
  readonly spec: PairModel["_spec"];
  readonly #link: Link;
  readonly #model: AnyModel<PairModel>;
  readonly #kept = new Map<string, Pair>();
  readonly #waiting = new Set<string>();
  /** What could not be had, until it is tried again. */
  readonly #failures = new Map<string, string>();
  #came: () => void;
  #failed: (reason: string) => void;

  constructor(model: AnyModel<PairModel>, signal: AbortSignal, came: () => void, failed: (reason: string) => void) {
    this.#model = model;
    this.spec = model.get("_spec");
    this.#link = new Link(model, this.spec.live, signal, failed);
    this.#came = came;
    this.#failed = failed;
  }

  get waits(): boolean {
    return this.#link.waits;
  }

  /** The pair if it is here; otherwise it is asked for, once, and `came` is called when it is. */
  get(wanted: Wanted, state: State): Pair | null {
    const name = nameOf(wanted);
    const kept = this.#kept.get(name) ?? this.#sent(wanted, state);
    if (kept) this.#keep(name, kept);
    else if (this.#failures.has(name)) this.#failed(this.#failures.get(name) ?? "");
    else if (!this.#waiting.has(name)) this.#ask(name, wanted, state);
    return kept ?? null;
  }

  /** Ask again for what failed. */
  retry(): void {
    this.#failures.clear();
  }

  /** Ask ahead for what is one step away. */
  prefetch(near: Wanted[], state: State): void {
    if (!this.spec.live) return;
    for (const wanted of near) {
      const name = nameOf(wanted);
      const known = this.#kept.has(name) || this.#waiting.has(name) || this.#failures.has(name);
      if (!known && !this.#packed(wanted)) this.#ask(name, wanted, state);
    }
  }

  #packed({ moment, layer, head }: Wanted): PackedHeads["heads"][number] | undefined {
    return this.spec.vectors?.heads.find((p) => p.moment === moment && p.layer === layer && p.head === head);
  }

  #sent(wanted: Wanted, state: State): Pair | null {
    const packed = this.#packed(wanted);
    const data = this.#model.get("_vectors");
    if (!packed || !data || !this.spec.vectors) return null;
    const keys = axesOf(this.spec, { ...state, ...wanted }).columns.length;
    return unpack(data, packed, keys, wanted.query, wanted.key, this.spec.vectors.reasons);
  }

  #ask(name: string, wanted: Wanted, state: State): void {
    this.#waiting.add(name);
    const keys = axesOf(this.spec, { ...state, ...wanted }).columns.length;
    const what = `${headName(wanted.layer, wanted.head)}, row ${wanted.query},`;
    this.#link
      .ask({ ask: "vectors", ...wanted }, what)
      .then(([reply, buffers]) => this.#keep(name, read(reply, buffers, wanted.query, keys)))
      .catch((error: Error) => this.#failures.set(name, error.message)) // said where this pair is on show
      .finally(() => {
        this.#waiting.delete(name);
        this.#came();
      });
  }

  #keep(name: string, pair: Pair): void {
    this.#kept.delete(name);
    this.#kept.set(name, pair);
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(old);
    }
  }
}

function read(reply: Reply, buffers: DataView[], query: number, keys: number): Pair {
  const { key, kind, scale, reason } = reply;
  assert(typeof key === "number" && typeof kind === "string", "the kernel's answer lacks its pair");
  const vector = (at: number): Float32Array | null => {
    const view = buffers[at];
    return view?.byteLength ? floats(view, 0, view.byteLength / 4) : null;
  };
  const weights = vector(5);
  const states = buffers[6];
  assert(weights?.length === keys && states, "the kernel's answer lacks its row");
  return {
    query,
    key,
    kind: kind as Kind,
    scale: typeof scale === "number" ? scale : null,
    q: vector(0),
    k: vector(1),
    v: vector(2),
    b: vector(3),
    scores: vector(4),
    weights,
    states: bytes(states, 0, keys),
    reason: typeof reason === "string" ? reason : "",
  };
}
