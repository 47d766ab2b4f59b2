/** Where paths come from: those sent with the panel, else asked of the kernel. */

import type { AnyModel } from "@anywidget/types";
import { Link, type Reply } from "./link.ts";
import { assert, type HeadModel, type Spec } from "./model.ts";
import { floats, tokensOf } from "./wire.ts";

export const METHODS = ["rollout", "raw"] as const;
export const HEADS = ["mean", "max", "head"] as const;
export type Method = (typeof METHODS)[number];
export type Heads = (typeof HEADS)[number];

/** The strongest steps from the output of a layer (queries) to its input (keys), the widest first. */
export interface Edges {
  queries: Int32Array;
  keys: Int32Array;
  shares: Float32Array;
}

/** What a token draws on: shares of the input of each layer, then of the output of the last; and each layer's edges. */
export interface Path {
  layers: number[];
  tokens: number;
  /** So many layers have come, from the top; shares and edges of the others are empty. */
  done: number;
  shares: Float32Array[];
  edges: Edges[];
}

/** Which path is wanted; `layer` is any of the kind that is followed. */
export interface Wanted {
  moment: number;
  layer: number;
  query: number;
  method: Method;
  heads: Heads;
  head: number;
}

/** A path among the bytes that came with the panel. */
interface Sent extends Omit<Wanted, "layer"> {
  layers: number[];
  counts: number[];
  at: number;
}

/** The traits of `FlowPanel`. */
export interface FlowModel extends HeadModel {
  method: Method;
  heads: Heads;
  edges: number;
  least: number;
  _spec: Spec & { flow?: { sent: Sent[]; refusals: string[][] } };
  _flows: DataView;
}

const KEPT = 64;

/** The lowest column that has come. */
export const reached = ({ layers, done }: Path): number => layers.length - done;

export const isWhole = (path: Path): boolean => reached(path) === 0;

export class FlowSource {
  readonly spec: FlowModel["_spec"];
  readonly #model: AnyModel<FlowModel>;
  readonly #link: Link;
  readonly #kept = new Map<string, Path>();
  readonly #waiting = new Set<string>();
  /** What could not be had, until it is tried again. */
  readonly #failures = new Map<string, string>();
  /** The path that is not to be asked for any further. */
  #stopped = "";
  #came: () => void;
  #failed: (reason: string) => void;

  constructor(model: AnyModel<FlowModel>, signal: AbortSignal, came: () => void, failed: (reason: string) => void) {
    this.#model = model;
    this.spec = model.get("_spec");
    this.#link = new Link(model, this.spec.live, signal, failed);
    this.#came = came;
    this.#failed = failed;
  }

  get waits(): boolean {
    return this.#link.waits;
  }

  /** Why there is no path through a layer; '' where there is, or where only the kernel can tell. */
  refusal(moment: number, layer: number): string {
    return this.spec.flow?.refusals[moment]?.[layer] ?? "";
  }

  /**
   * What is here of a path. What is missing is asked for, a long path layer by layer, and `came` is called when some of
   * it is here: who then asks for another one has the kernel do no more for this one.
   */
  get(wanted: Wanted): Path | null {
    const name = this.#name(wanted);
    const kept = this.#kept.get(name) ?? this.#sent(wanted);
    if (kept) this.#keep(name, kept);
    if (name !== this.#stopped) this.#stopped = "";
    if (kept && isWhole(kept)) return kept;
    if (this.#failures.has(name)) this.#failed(this.#failures.get(name) ?? "");
    else if (!this.#waiting.has(name) && !this.#stopped) this.#ask(name, wanted, kept);
    return kept;
  }

  /** Ask for no more of a path, or go on. */
  stop(wanted: Wanted, on: boolean): void {
    this.#stopped = on ? this.#name(wanted) : "";
  }

  get stopped(): boolean {
    return this.#stopped !== "";
  }

  /** Ask again for what failed. */
  retry(): void {
    this.#failures.clear();
  }

  /** Layers of one kind share their paths; the head counts where there is one. */
  #name({ moment, layer, query, method, heads, head }: Wanted): string {
    const kind = this.spec.frames[moment]?.blocks[layer]?.kind ?? "";
    return [moment, kind, query, method, heads, heads === "head" ? head : 0].join();
  }

  #sent(wanted: Wanted): Path | null {
    const sent = this.spec.flow?.sent.find((s) => s.layers.includes(wanted.layer) && this.#name({ ...s, layer: wanted.layer }) === this.#name(wanted));
    if (!sent) return null;
    return decode(this.#model.get("_flows"), sent.at, sent.layers, sent.counts, this.#tokens(wanted));
  }

  #tokens({ moment, layer }: Wanted): number {
    const frame = this.spec.frames[moment];
    const block = frame?.blocks[layer];
    assert(frame && block, `there is no layer ${layer} at moment ${moment}`);
    return tokensOf(frame, block.keys).length;
  }

  #ask(name: string, wanted: Wanted, above: Path | null): void {
    this.#waiting.add(name);
    this.#link
      .ask({ ask: "flow", ...wanted, after: above?.done ?? 0 }, `the ${wanted.method} path of token ${wanted.query}`)
      .then(([reply, buffers]) => {
        const path = read(reply, buffers, this.#tokens(wanted), above);
        if (path) this.#keep(name, path);
      })
      .catch((error: Error) => this.#failures.set(name, error.message)) // said where this path is on show
      .finally(() => {
        this.#waiting.delete(name);
        this.#came();
      });
  }

  #keep(name: string, path: Path): void {
    this.#kept.delete(name);
    this.#kept.set(name, path);
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(old);
    }
  }
}

/** What is known with an answer; null while that is nothing: a large layer takes the kernel several requests. */
function read(reply: Reply, buffers: DataView[], tokens: number, above: Path | null): Path | null {
  const { all, layers, counts } = reply;
  assert(Array.isArray(all) && Array.isArray(layers) && Array.isArray(counts), "the kernel's answer lacks its path");
  if (!layers.length) return above;
  assert(buffers.length === 4, "the kernel's answer lacks its path");
  const joined = new Uint8Array(buffers.reduce((size, view) => size + view.byteLength, 0));
  let at = 0;
  for (const view of buffers) {
    joined.set(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength), at);
    at += view.byteLength;
  }
  return under(all as number[], above, decode(new DataView(joined.buffer), 0, layers as number[], counts as number[], tokens));
}

/** A path through some of the layers, continued by the layers right under them; `below` begins with the column where `above` ends. */
export function under(layers: number[], above: Path | null, below: Path): Path {
  const done = (above?.done ?? 0) + below.done;
  assert(below.layers.every((layer, i) => layer === layers[layers.length - done + i]), "the kernel's answer is of other layers");
  const [shares, edges] = above ? [above.shares.slice(reached(above) + 1), above.edges.slice(reached(above))] : [[], []];
  const missing = layers.length - done;
  const none: Edges = { queries: new Int32Array(), keys: new Int32Array(), shares: new Float32Array() };
  return {
    layers,
    tokens: below.tokens,
    done,
    shares: [...Array.from({ length: missing }, () => new Float32Array()), ...below.shares, ...shares],
    edges: [...Array.from({ length: missing }, () => none), ...below.edges, ...edges],
  };
}

/** Shares of every column, then queries, keys and shares of all layers' edges, one after the other. */
export function decode(data: DataView, at: number, layers: number[], counts: number[], tokens: number): Path {
  const columns = layers.length + 1;
  const all = counts.reduce((sum, count) => sum + count, 0);
  const start = at + 4 * columns * tokens;
  const shares = Array.from({ length: columns }, (_, column) => floats(data, at + 4 * column * tokens, tokens));
  let before = 0;
  const edges = counts.map((count): Edges => {
    const from = start + 4 * before;
    before += count;
    return {
      queries: integers(data, from, count),
      keys: integers(data, from + 4 * all, count),
      shares: floats(data, from + 8 * all, count),
    };
  });
  return { layers, tokens, done: layers.length, shares, edges };
}

/** Little-endian int32 from anywhere in a buffer. */
function integers(data: DataView, at: number, count: number): Int32Array {
  assert(at + 4 * count <= data.byteLength, `needs ${4 * count} bytes of edges at ${at}, has ${data.byteLength}`);
  return Int32Array.from({ length: count }, (_, i) => data.getInt32(at + 4 * i, true));
}
