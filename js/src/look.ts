/** The matrix on show: heads that are here put through the lens, or pictures and rows of what is too large to be. */

import { combine, filtered, placeOf, regroup, type ShownAxis, shownAxis } from "./lens.ts";
import type { Source } from "./source.ts";
import type { Axes, State } from "./state.ts";
import { Tiles } from "./tiles.ts";
import type { Head } from "./wire.ts";

/** Cells up to which a matrix comes whole, as LARGEST in attn_widgets/panels/looking.py. */
export const LARGEST = 1 << 17;
const MOST_TILED = 6;

export interface Look {
  head: Head | null;
  rows: ShownAxis;
  columns: ShownAxis;
}

/** Heads on show: one, or those that are combined. */
export function headsOf({ frame, block }: Axes, state: State): [number, number][] {
  if (!state.mean) return [[state.layer, state.head]];
  if (state.over === "pinned" && state.pinned.length) return state.pinned;
  const heads: [number, number][] = [];
  frame.blocks.forEach((other, layer) => {
    const alike = other.queries === block.queries && other.keys === block.keys && other.kind === block.kind;
    if (layer !== state.layer && !(state.over === "all" && alike)) return;
    for (let head = 0; head < other.heads; head++) heads.push([layer, head]);
  });
  return heads;
}

/** Why heads cannot be seen so; '' where they can. The kernel says the same of what it is asked. */
export function refusal({ frame, block }: Axes, { value, words }: State, heads: [number, number][]): string {
  const alike = heads.every(([layer]) => frame.blocks[layer]?.queries === block.queries && frame.blocks[layer]?.keys === block.keys);
  if (!alike) return "heads of layers with other tokens cannot be combined; choose layers of one kind";
  if (value === "score" && heads.length > 1) return `scores are those of one head; given ${heads.length}; choose one, or show weights`;
  return value === "score" && words ? "scores do not add up over sub-words; show weights, or single tokens" : "";
}

export class Looks {
  #source: Source;
  #came: () => void;
  #failed: (reason: string) => void;
  #axes = new Map<string, [string[], ShownAxis]>();
  #made = new Map<string, { base: Head; head: Head }>();
  #tiled = new Map<string, Head & { tiles: Tiles }>();
  /** What was asked for a moment ago, and why it is not here; '' while it is on its way. */
  #asked = new Map<string, string>();
  /** Matrices on show, those in tiles and the names of others: what comes of any else is no cause to draw, or to complain. */
  #shown = new Set<Head | string>();

  constructor(source: Source, came: () => void, failed: (reason: string) => void) {
    this.#source = source;
    this.#came = came;
    this.#failed = failed;
  }

  /** Begin to say anew what is on show. */
  begin(): void {
    this.#shown.clear();
  }

  /** What a state shows, with null for a matrix that is not here yet and was asked for. */
  at(state: State, axes: Axes, heads = headsOf(axes, state)): Look {
    const rows = this.#axis(axes, axes.block.queries, axes.rows, state);
    const columns = this.#axis(axes, axes.block.keys, axes.columns, state);
    const refused = refusal(axes, state, heads);
    if (refused) this.#failed(refused);
    const base = refused ? null : this.#base(state, axes, heads);
    if (base?.tiles instanceof Tiles) {
      this.#shown.add(base);
      if (base.tiles.refusal) this.#failed(base.tiles.refusal); // said to nobody if it was asked for ahead
      if (this.#source.spec.live) base.tiles.prefetch(this.#row(state, axes));
    }
    if (!base || base.tiles) return { head: base, rows, columns };
    const key = JSON.stringify([state.moment, heads, state.how, state.value, state.words, state.hide_special, state.threshold, state.top]);
    const made = this.#made.get(key);
    if (made?.base === base) return { head: made.head, rows, columns };
    const head = filtered(regroup(base, rows, columns), state);
    this.#made.set(key, { base, head });
    for (const old of this.#made.keys()) if (this.#made.size > 16) this.#made.delete(old);
    return { head, rows, columns };
  }

  /** Ask for a head before it is wanted. */
  prefetch(state: State, axes: Axes): void {
    const heads = headsOf(axes, state);
    if (refusal(axes, state, heads)) return;
    if (this.#isLarge(axes, state, heads)) this.#tiles(state, axes, heads).tiles.prefetch(this.#row(state, axes));
    else if (heads[0] && heads.length === 1) this.#source.get(state.moment, ...heads[0]).catch(() => undefined);
  }

  /** The place of the row that is read. */
  #row(state: State, axes: Axes): number {
    const rows = this.#axis(axes, axes.block.queries, axes.rows, state);
    return state.query === null ? rows.starts.length - 1 : placeOf(rows, state.query);
  }

  #axis(axes: Axes, list: number, tokens: string[], { words, hide_special }: State): ShownAxis {
    const key = `${list} ${words} ${hide_special}`;
    const here = this.#axes.get(key);
    if (here?.[0] === tokens) return here[1];
    const made = shownAxis(tokens, words ? (axes.frame.words[list] ?? null) : null, hide_special ? (axes.frame.special[list] ?? null) : null);
    this.#axes.set(key, [tokens, made]);
    return made;
  }

  /** Whether the heads are neither here nor small enough to be sent. */
  #isLarge({ rows, columns }: Axes, { moment, value }: State, heads: [number, number][]): boolean {
    if (rows.length * columns.length <= LARGEST) return false;
    return value === "score" || !heads.every(([layer, head]) => this.#source.peek(moment, layer, head));
  }

  #base(state: State, axes: Axes, heads: [number, number][]): Head | null {
    const large = this.#isLarge(axes, state, heads);
    if (large && (this.#source.spec.live || this.#picture(state, heads))) return this.#tiles(state, axes, heads);
    const { moment, how } = state;
    const value = state.value === "score" ? "score" : "weight";
    const here = heads.map(([layer, head]) => this.#source.peek(moment, layer, head));
    if (value === "weight" && here.every((head) => head !== undefined)) return this.#combined(state, heads, here);
    const whole = this.#source.peekMatrix(moment, heads, how, value);
    if (whole) return whole;
    const one = heads.length === 1 && value === "weight" ? heads[0] : undefined;
    const key = JSON.stringify([moment, heads, how, value]);
    this.#shown.add(key);
    const asked = this.#asked.get(key);
    if (asked) this.#failed(asked); // the panel may have been elsewhere when the error came
    if (asked !== undefined) return null;
    this.#asked.set(key, "");
    const wait = one ? this.#source.get(moment, ...one) : this.#source.matrix(moment, heads, how, value);
    const failed = (error: Error): void => {
      this.#asked.set(key, error.message);
      if (this.#shown.has(key)) this.#failed(error.message);
    };
    wait.then(this.#came, failed).finally(() => setTimeout(() => this.#asked.delete(key), 1000));
    return null;
  }

  /** The picture that was sent of a head as it is, through no lens. */
  #picture(state: State, heads: [number, number][]): Uint8Array | null {
    const { moment, value, words, hide_special, threshold, top } = state;
    const [one] = heads;
    const plain = value === "weight" && !words && !hide_special && !threshold && !top;
    return one && heads.length === 1 && plain ? this.#source.picture(moment, ...one) : null;
  }

  #combined(state: State, heads: [number, number][], here: Head[]): Head {
    if (here.length === 1) return here[0]!;
    const key = JSON.stringify(["combined", state.moment, heads, state.how]);
    const made = this.#made.get(key);
    if (made?.base === here[0]) return made.head;
    const head = combine(here, state.how);
    this.#made.set(key, { base: here[0]!, head });
    return head;
  }

  #tiles(state: State, axes: Axes, heads: [number, number][]): Head & { tiles: Tiles } {
    const { moment, how, value, words, hide_special, threshold, top } = state;
    const lens = { moment, heads, how, value, words, hide_special, threshold, top };
    const key = JSON.stringify(lens);
    let head = this.#tiled.get(key);
    if (!head) {
      const queries = this.#axis(axes, axes.block.queries, axes.rows, state).starts.length;
      const keys = this.#axis(axes, axes.block.keys, axes.columns, state).starts.length;
      const came = (): void => {
        if (head && this.#shown.has(head)) this.#came();
      };
      const failed = (reason: string): void => {
        if (head && this.#shown.has(head)) this.#failed(reason);
      };
      const tiles = new Tiles(queries, keys, (what, more) => this.#source.askPart(what, lens, more), came, failed);
      const picture = this.#picture(state, heads);
      if (picture) tiles.seed(picture);
      head = {
        queries,
        keys,
        weights: new Float32Array(),
        states: new Uint8Array(),
        resting: null,
        tiles,
        get low() {
          return tiles.low;
        },
        get high() {
          return tiles.high;
        },
      };
    }
    this.#tiled.delete(key);
    this.#tiled.set(key, head);
    for (const old of this.#tiled.keys()) if (this.#tiled.size > MOST_TILED) this.#tiled.delete(old);
    return head;
  }
}
