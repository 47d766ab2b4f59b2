/** Where heads come from: those sent with the panel, else asked of the kernel. */

import type { AnyModel } from "@anywidget/types";
import { Link, type Reply } from "./link.ts";
import { type Ablation, assert, type HeadModel, headName, type Spec } from "./model.ts";
import { Spreads } from "./spread.ts";
import { bytes, decodeFrames, floats, type Found, type Head, type Place, rankHeads, tokensOf } from "./wire.ts";

type Model = AnyModel<HeadModel>;

/** Heads asked for are kept up to this many bytes. */
const KEPT = 96 << 20;

export class Source {
  readonly spec: Spec;
  readonly spreads: Spreads;
  #link: Link;
  #sent: Map<Place, Head>;
  #pictures: DataView | undefined;
  #asked = new Map<string, Head>();
  #waiting = new Map<string, Promise<Head>>();

  /** `refused` is told what the kernel would not take from this page; `came` is called when a spread came. */
  constructor(model: Model, signal: AbortSignal, refused: (reason: string) => void, came: () => void) {
    this.spec = model.get("_spec");
    this.#link = new Link(model, this.spec.live, signal, refused);
    this.#pictures = model.get("_pictures");
    this.spreads = new Spreads(this.spec.frames, this.spec.spread ?? [], model.get("_spreads") ?? null, this.#link, came);
    this.#sent = decodeFrames(this.spec.frames, model.get("_weights"), model.get("_states"));
  }

  /** Codes of a head that was sent as a picture. */
  picture(moment: number, layer: number, head: number): Uint8Array | null {
    let at = 0;
    for (const each of this.spec.pictures ?? []) {
      if (each.moment === moment && each.layer === layer && each.head === head && this.#pictures) return bytes(this.#pictures, at, each.size);
      at += each.size;
    }
    return null;
  }

  /** Whether the kernel owes an answer. */
  get waits(): boolean {
    return this.#link.waits;
  }

  /** A head, if it is here. */
  peek(moment: number, layer: number, head: number): Head | undefined {
    const place: Place = `${moment}/${layer}/${head}`;
    return this.#sent.get(place) ?? this.#asked.get(place);
  }

  /** A head, asked for at most once at a time. */
  get(moment: number, layer: number, head: number): Promise<Head> {
    const here = this.peek(moment, layer, head);
    if (here) return Promise.resolve(here);
    const place: Place = `${moment}/${layer}/${head}`;
    return this.#once(place, () => this.#link.ask({ ask: "head", moment, layer, head }, headName(layer, head)), moment, layer);
  }

  /** Heads combined by the kernel, or the scores of one. */
  matrix(moment: number, heads: [number, number][], how: "mean" | "max", value: "weight" | "score"): Promise<Head> {
    const place = `${moment} ${how} ${value} ${heads.join(" ")}`;
    const here = this.#asked.get(place);
    if (here) return Promise.resolve(here);
    const what = value === "score" ? "the scores" : `the ${how} of ${heads.length} heads`;
    return this.#once(place, () => this.#link.ask({ ask: "matrix", moment, heads, how, value }, what), moment, heads[0]?.[0] ?? 0);
  }

  /** A combination that was asked for before. */
  peekMatrix(moment: number, heads: [number, number][], how: "mean" | "max", value: "weight" | "score"): Head | undefined {
    return this.#asked.get(`${moment} ${how} ${value} ${heads.join(" ")}`);
  }

  /** Ask for part of a matrix that is too large to be here whole. */
  askPart(what: "tile" | "row", lens: Record<string, unknown>, more: Record<string, unknown>): Promise<[Reply, DataView[]]> {
    return this.#link.ask({ ask: what, ...lens, ...more }, what === "row" ? "this row" : "this part");
  }

  #once(place: string, ask: () => Promise<[Reply, DataView[]]>, moment: number, layer: number): Promise<Head> {
    const waiting = this.#waiting.get(place);
    if (waiting) return waiting;
    const asked = ask()
      .then((answer) => this.#read(place, answer, moment, layer))
      .finally(() => this.#waiting.delete(place));
    this.#waiting.set(place, asked);
    return asked;
  }

  #read(place: string, [reply, [weights, states]]: [Reply, DataView[]], moment: number, layer: number): Head {
    const frame = this.spec.frames[moment];
    const block = frame?.blocks[layer];
    assert(frame && block && weights && states, "the kernel's answer lacks its numbers");
    const queries = tokensOf(frame, block.queries).length;
    const keys = tokensOf(frame, block.keys).length;
    const number = (name: string): number | null => (typeof reply[name] === "number" ? reply[name] : null);
    const result: Head = {
      queries,
      keys,
      weights: floats(weights, 0, queries * keys),
      states: bytes(states, 0, queries * keys),
      resting: number("resting"),
      low: number("low") ?? 0,
      high: number("high") ?? 1,
    };
    this.#keep(place, result);
    return result;
  }

  /** All heads ranked by their weight on one cell. */
  async find(moment: number, query: number, key: number, like: number): Promise<Found[]> {
    const frame = this.spec.frames[moment];
    assert(frame, `there is no moment ${moment}`);
    const heads: [number, number, Head][] = [];
    let missing = false;
    const shown = frame.blocks[like];
    frame.blocks.forEach((block, layer) => {
      // Only layers with the same axes as the one on show can be compared.
      if (block.queries !== shown?.queries || block.keys !== shown.keys) return;
      for (let head = 0; head < block.heads; head++) {
        const here = this.#sent.get(`${moment}/${layer}/${head}`);
        if (here) heads.push([layer, head, here]);
        else missing = true;
      }
    });
    if (!missing || !this.#link.live) return rankHeads(heads, query, key);
    const [reply] = await this.#link.ask({ ask: "find", moment, layer: like, query, key }, "the ranking");
    const found = reply["found"];
    assert(Array.isArray(found), "the kernel's answer lacks the ranking");
    return found.map(([layer, head, weight]: [number, number, number | null]) => ({ layer, head, weight: weight ?? Number.NaN }));
  }

  /** Predictions without a head. */
  async ablate(layer: number, head: number): Promise<Ablation> {
    const name = headName(layer, head);
    const known = this.spec.ablations[name];
    if (known) return known;
    const [reply] = await this.#link.ask({ ask: "ablate", layer, head }, `switching ${name} off`);
    const ablation = reply["ablation"] as Ablation | undefined;
    assert(ablation?.after && ablation.before, "the kernel's answer lacks the predictions");
    this.spec.ablations[name] = ablation;
    return ablation;
  }

  /** Keep a head, and let go of those asked for longest ago. */
  #keep(place: string, head: Head): void {
    this.#asked.delete(place);
    this.#asked.set(place, head);
    let size = 0;
    for (const kept of this.#asked.values()) size += 5 * kept.weights.length;
    for (const [old, kept] of this.#asked) {
      if (size <= KEPT || old === place) break;
      this.#asked.delete(old);
      size -= 5 * kept.weights.length;
    }
  }
}
