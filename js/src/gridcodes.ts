/** Thumbnails as codes, one a cell of what is drawn: joined once, for whatever order or size they are drawn in. Pure. */

import type { Layer } from "./griddata.ts";
import { VALUE } from "./wire.ts";

/** What prevails where cells are joined: not a number, then values by level, zero, masked, not captured. */
export const UNKNOWN = 0;
export const MASK = 1;
export const NONE = 2;
export const LEVEL = 3;
export const NAN = LEVEL + 256;
const OF_STATE = Uint16Array.of(LEVEL, MASK, UNKNOWN, NAN, NONE);

/** Every pixel or cell of `size` and the one of `cells` that it belongs to. */
export const spread = (size: number, cells: number): Uint16Array => Uint16Array.from({ length: size }, (_, i) => Math.floor((i * cells) / size));

/** The codes of a layer's heads, `factor` × `factor` cells joined to their maximum. */
export class Codes {
  readonly version: number;
  readonly factor: number;
  readonly rows: number;
  readonly columns: number;
  /** A head after the other; those that were asked for are there. */
  readonly all: Uint16Array;
  readonly #layer: Layer;
  readonly #joined: Uint8Array;
  readonly #columnOf: Uint16Array;

  constructor(layer: Layer, factor: number) {
    this.version = layer.version;
    this.factor = factor;
    this.rows = Math.ceil(layer.rows / factor);
    this.columns = Math.ceil(layer.columns / factor);
    this.all = new Uint16Array(layer.heads * this.rows * this.columns);
    this.#layer = layer;
    this.#joined = new Uint8Array(layer.heads);
    this.#columnOf = Uint16Array.from({ length: layer.columns }, (_, i) => Math.floor(i / factor));
  }

  /** Where in `all` the codes of a head begin. */
  of(head: number): number {
    const start = head * this.rows * this.columns;
    if (!this.#joined[head]) {
      this.#join(head, start);
      this.#joined[head] = 1;
    }
    return start;
  }

  #join(head: number, start: number): void {
    const { levels, states, rows, columns } = this.#layer;
    const { all, factor } = this;
    const columnOf = this.#columnOf;
    let at = head * rows * columns;
    for (let row = 0; row < rows; row++) {
      const to = start + Math.floor(row / factor) * this.columns;
      for (let column = 0; column < columns; column++, at++) {
        const state = states[at]!;
        const code = state === VALUE ? LEVEL + levels[at]! : OF_STATE[state]!;
        const cell = to + columnOf[column]!;
        if (code > all[cell]!) all[cell] = code;
      }
    }
  }
}

const kept = new WeakMap<Layer, Codes>();

/** Codes of a layer as it is now; the same ones until more of it comes or they are wanted coarser or finer. */
export function codesOf(layer: Layer, factor: number): Codes {
  const known = kept.get(layer);
  if (known?.version === layer.version && known.factor === factor) return known;
  const made = new Codes(layer, factor);
  kept.set(layer, made);
  return made;
}
