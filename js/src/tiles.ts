/** A matrix too large to be here whole: coded pictures of its parts and exact rows, asked for as they are needed. */

import { opaque, rgb } from "./colours.ts";
import { type Layout, stepFor } from "./geometry.ts";
import type { Reply } from "./link.ts";
import type { Theme } from "./theme.ts";
import { bytes, floats, type Row } from "./wire.ts";

/** As attn_widgets/panels/tiles.py writes them: steps of the scale, then zero, no number, hidden, masked, not captured. */
export const TOP = 250;
const ZERO = 251;
const NAN = 252;
const HIDDEN = 253;
const MASKED = 254;
const UNKNOWN = 255;

/** Codes along a side of a tile. */
export const SIDE = 512;
const MOST_ROWS = 256;
const MOST_TILES = 48;
const AT_ONCE = 3;
/** Milliseconds after which what was refused may be asked for again: the kernel may only have been busy. */
const AGAIN = 1000;

/** A picture of a part: `step` rows and columns to a code. */
interface Tile {
  canvas: HTMLCanvasElement;
  row: number;
  column: number;
  rows: number;
  columns: number;
  step: number;
}

interface Wanted {
  key: string;
  row: number;
  column: number;
  step: number;
}

export type Ask = (what: "tile" | "row", more: Record<string, unknown>) => Promise<[Reply, DataView[]]>;

/** The theme of the latest drawing of any tiles. */
let drawnLast: Theme | null = null;

export class Tiles {
  readonly queries: number;
  readonly keys: number;
  low = 0;
  high = 1;
  #ask: Ask;
  #came: () => void;
  #failed: (reason: string) => void;
  #rows = new Map<number, Row>();
  #codes = new Map<string, { codes: Uint8Array; wanted: Wanted }>();
  #painted = new Map<string, Tile>();
  #paintedFor: Theme | null = null;
  #flying = new Set<string>();
  /** What was refused a moment ago, and why. */
  #refused = new Map<string, string>();

  constructor(queries: number, keys: number, ask: Ask, came: () => void, failed: (reason: string) => void) {
    this.queries = queries;
    this.keys = keys;
    this.#ask = ask;
    this.#came = came;
    this.#failed = failed;
  }

  /** Whether the overview and a row are here: neighbours are not asked for before. */
  has(row: number): boolean {
    return this.#codes.has(this.#overview().key) && this.#rows.has(row);
  }

  /** Why something is not here and is not asked for just now; '' where nothing was refused. */
  get refusal(): string {
    return [...this.#refused.values()].at(-1) ?? "";
  }

  /** An exact row; asked for where it is not here. */
  row(row: number): Row | null {
    const here = this.#rows.get(row);
    if (here) return here;
    this.#fetch([`row ${row}`], "row", { row }, ([, [values, states]]) => this.#takeRow(row, values, states));
    return null;
  }

  #takeRow(row: number, values: DataView | undefined, states: DataView | undefined): void {
    if (!values || !states) throw new Error("the kernel's answer lacks the row");
    this.#rows.set(row, { weights: floats(values, 0, this.keys), states: bytes(states, 0, this.keys) });
    for (const old of this.#rows.keys()) if (this.#rows.size > MOST_ROWS && old !== row) this.#rows.delete(old);
  }

  /** Take the picture of all of it that came with the panel. */
  seed(codes: Uint8Array): void {
    const wanted = this.#overview();
    this.#codes.set(wanted.key, { codes, wanted });
  }

  /** Ask for the overview and a row, together where neither is here: an answer costs more than what is in it. */
  prefetch(row: number): void {
    const last = Math.min(row, this.queries - 1);
    const both = last >= 0 && !this.#rows.has(last) && !this.#flying.has(`row ${last}`);
    this.#fetchTile(this.#overview(), both ? last : null);
    if (last >= 0) this.row(last);
  }

  /** Ask for what a layout shows and is not here: the overview first, then what is in its window. */
  want(layout: Layout, ratio: number): void {
    for (const wanted of [this.#overview(), ...this.#inside(layout, stepFor(layout, ratio))]) {
      if (this.#flying.size >= AT_ONCE) return;
      this.#fetchTile(wanted);
    }
  }

  #fetchTile(wanted: Wanted, also: number | null = null): void {
    if (this.#codes.has(wanted.key)) return;
    const { row, column, step } = wanted;
    const rows: [number, number] = [row, Math.min(this.queries, row + SIDE * step)];
    const columns: [number, number] = [column, Math.min(this.keys, column + SIDE * step)];
    const keys = [wanted.key, ...(also === null ? [] : [`row ${also}`])];
    const more = also === null ? {} : { row: also };
    this.#fetch(keys, "tile", { rows, columns, step, ...more }, ([reply, [codes, values, states]]) => {
      if (!codes) throw new Error("the kernel's answer lacks the picture");
      this.low = Number(reply["low"] ?? 0);
      this.high = Number(reply["high"] ?? 1);
      const count = Math.ceil((rows[1] - row) / step) * Math.ceil((columns[1] - column) / step);
      this.#codes.set(wanted.key, { codes: bytes(codes, 0, count), wanted });
      if (also !== null) this.#takeRow(also, values, states);
      this.#paintAhead(wanted.key);
      const overview = this.#overview().key;
      for (const old of this.#codes.keys()) {
        if (this.#codes.size <= MOST_TILES) break;
        if (old === overview || old === wanted.key) continue;
        this.#codes.delete(old);
        this.#painted.delete(old);
      }
    });
  }

  /** Draw what is here, the coarse first; returns the step of the finest that covers the window, 0 for none. */
  draw(context: CanvasRenderingContext2D, layout: Layout, theme: Theme, ratio: number): number {
    if (this.#paintedFor !== theme) this.#painted.clear();
    drawnLast = this.#paintedFor = theme;
    const step = stepFor(layout, ratio);
    const fine = this.#inside(layout, step);
    context.imageSmoothingEnabled = false;
    const whole = fine.every(({ key }) => this.#codes.has(key));
    const overview = this.#overview();
    if (!whole) this.#drawTile(context, overview.key, layout, theme);
    for (const { key } of fine) this.#drawTile(context, key, layout, theme);
    return whole ? step : this.#codes.has(overview.key) ? overview.step : 0;
  }

  #overview(): Wanted {
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(this.queries, this.keys) / SIDE)));
    return { key: `${step} 0 0`, row: 0, column: 0, step };
  }

  /** Tiles of a step that the layout's window touches. */
  #inside(layout: Layout, step: number): Wanted[] {
    const size = SIDE * step;
    const found: Wanted[] = [];
    for (let row = Math.floor(layout.row0 / size) * size; row < Math.min(this.queries, layout.row0 + layout.rows); row += size) {
      for (let column = Math.floor(layout.column0 / size) * size; column < Math.min(this.keys, layout.column0 + layout.columns); column += size) {
        found.push({ key: `${step} ${row} ${column}`, row, column, step });
      }
    }
    return found;
  }

  /** A part as a picture, painted once for a theme. */
  #tile(key: string, theme: Theme): Tile | null {
    const held = this.#codes.get(key);
    if (!held) return null;
    let tile = this.#painted.get(key);
    if (!tile) {
      const { row, column, step } = held.wanted;
      const rows = Math.ceil((Math.min(this.queries, row + SIDE * step) - row) / step);
      const columns = Math.ceil((Math.min(this.keys, column + SIDE * step) - column) / step);
      tile = { canvas: paint(held.codes, rows, columns, theme), row, column, rows, columns, step };
      this.#painted.set(key, tile);
    }
    return tile;
  }

  #drawTile(context: CanvasRenderingContext2D, key: string, layout: Layout, theme: Theme): void {
    const tile = this.#tile(key, theme);
    if (!tile) return;
    // The last code of a side may stand for fewer than `step` cells; it is drawn over the edge, and clipped.
    const x = layout.x + (tile.column - layout.column0) * layout.cellWidth;
    const y = layout.y + (tile.row - layout.row0) * layout.cellHeight;
    context.drawImage(tile.canvas, x, y, tile.columns * tile.step * layout.cellWidth, tile.rows * tile.step * layout.cellHeight);
  }

  /** Paint what came for the theme drawn last, so that a step to it has only to draw. */
  #paintAhead(key: string): void {
    if (!drawnLast) return;
    if (this.#paintedFor !== drawnLast) this.#painted.clear();
    this.#paintedFor = drawnLast;
    this.#tile(key, drawnLast);
  }

  /** Ask for what goes by these keys, unless the first is on its way or was just refused. */
  #fetch(keys: string[], what: "tile" | "row", more: Record<string, unknown>, then: (answer: [Reply, DataView[]]) => void): void {
    if (keys[0] === undefined || this.#flying.has(keys[0]) || this.#refused.has(keys[0])) return;
    for (const key of keys) this.#flying.add(key);
    this.#ask(what, more)
      .then(then)
      .catch((error: Error) => {
        for (const key of keys) this.#refused.set(key, error.message);
        setTimeout(() => keys.forEach((key) => this.#refused.delete(key)), AGAIN);
        this.#failed(error.message);
      })
      .finally(() => {
        for (const key of keys) this.#flying.delete(key);
        this.#came();
      });
  }
}

type Colours = Pick<Theme, "palette" | "nan" | "unknown">;
const tables = new WeakMap<Colours, Uint32Array>();

/** The four bytes of each code's pixel; masked is clear, for the hatching behind it. */
export function codeColours(theme: Colours): Uint32Array {
  const made = tables.get(theme) ?? makeColours(theme);
  tables.set(theme, made);
  return made;
}

function makeColours(theme: Colours): Uint32Array {
  const table = new Uint32Array(256);
  for (let code = 0; code <= TOP; code++) table[code] = opaque(theme.palette[Math.round((code / TOP) * 255)]!);
  table[ZERO] = table[HIDDEN] = table[0]!;
  table[NAN] = opaque(rgb(theme.nan));
  table[UNKNOWN] = opaque(rgb(theme.unknown));
  table[MASKED] = 0;
  return table;
}

/** Pixels of a whole tile, used again and again: a megabyte each time would keep the browser collecting. */
let scratch: ImageData | null = null;

function paint(codes: Uint8Array, rows: number, columns: number, theme: Theme): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  if (!rows || !columns) return canvas;
  if (scratch?.width !== columns || scratch.height !== rows) scratch = new ImageData(columns, rows);
  const table = codeColours(theme);
  const pixels = new Uint32Array(scratch.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[codes[i]!]!;
  canvas.getContext("2d")?.putImageData(scratch, 0, 0);
  return canvas;
}
