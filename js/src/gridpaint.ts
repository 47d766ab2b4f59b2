/** Paints thumbnails into rows of pixels: pure, on arrays. No cell of a thumbnail is lost where it has fewer pixels than cells. */

import { opaque, type Rgb, rgb } from "./colours.ts";
import { type Codes, codesOf, LEVEL, MASK, NAN, NONE, spread, UNKNOWN } from "./gridcodes.ts";
import type { Layer } from "./griddata.ts";

/** Pixels of a row of the grid, in the order in which this machine reads them. */
export interface Strip {
  pixels: Uint32Array;
  width: number;
}

/** Colours as pixels: of the 256 steps, and of the states that are no colour on the scale. */
export interface Inks {
  steps: Uint32Array;
  /** The colour of each code of a cell. */
  table: Uint32Array;
  nan: number;
  unknown: number;
  /** Of the strokes across what is masked, which is clear else: every so many pixels one of so many. */
  hatch: number;
  period: number;
  stroke: number;
}

/** Cells from this many pixels on carry a dot where they are exactly zero. */
export const DOTTED = 9;

export function makeInks(theme: { palette: Rgb[]; nan: string; unknown: string; hatch: string }, ratio: number): Inks {
  const [nan, unknown, hatch] = [theme.nan, theme.unknown, theme.hatch].map((colour) => opaque(rgb(colour)));
  const steps = Uint32Array.from(theme.palette, opaque);
  const table = new Uint32Array(NAN + 1);
  table.set(steps, LEVEL);
  table[UNKNOWN] = unknown!;
  table[NONE] = steps[0]!;
  table[NAN] = nan!;
  const stroke = Math.max(1, Math.round(ratio));
  return { steps, table, nan: nan!, unknown: unknown!, hatch: hatch!, period: 5 * stroke, stroke };
}

/** How a thumbnail of some cells fits a square of pixels. */
export interface Fit {
  /** Side of the square of cells that are joined to one. */
  factor: number;
  rows: number;
  columns: number;
  /** Its size in pixels. */
  width: number;
  height: number;
}

export function fitCells(rows: number, columns: number, side: number): Fit {
  const factor = Math.max(1, Math.ceil(Math.max(rows, columns) / side));
  const down = Math.ceil(rows / factor);
  const across = Math.ceil(columns / factor);
  const most = Math.max(down, across, 1);
  const pixels = (cells: number): number => Math.max(cells, Math.round((side * cells) / most));
  return { factor, rows: down, columns: across, width: pixels(across), height: pixels(down) };
}

const hatched = ({ hatch, period, stroke }: Inks, x: number, y: number): number => ((x + y) % period < stroke ? hatch : 0);

/** Paints the thumbnails of a layer, which all have the same shape. */
export class Painter {
  readonly fit: Fit;
  readonly #codes: Codes;
  readonly #inks: Inks;
  /** The joined cell of each row and column of pixels. */
  readonly #cells: [rows: Uint16Array, columns: Uint16Array];

  constructor(layer: Layer, side: number, inks: Inks) {
    this.fit = fitCells(layer.rows, layer.columns, side);
    const { factor, rows, columns, width, height } = this.fit;
    this.#codes = codesOf(layer, factor);
    this.#inks = inks;
    this.#cells = [spread(height, rows), spread(width, columns)];
  }

  /** Paint one head with its left top corner at `x` of a strip. */
  paint(strip: Strip, x: number, head: number): void {
    const start = this.#codes.of(head);
    const codes = this.#codes.all;
    const { table, hatch, period, stroke } = this.#inks;
    const { width, height, columns } = this.fit;
    const [down, across] = this.#cells;
    const { pixels } = strip;
    for (let py = 0; py < height; py++) {
      const from = start + down[py]! * columns;
      const to = py * strip.width + x;
      for (let px = 0; px < width; px++) {
        const code = codes[from + across[px]!]!;
        pixels[to + px] = code === MASK ? ((px + py) % period < stroke ? hatch : 0) : table[code]!;
      }
    }
    if (Math.min(width / columns, height / this.fit.rows) >= DOTTED) this.#dotZeros(strip, x, start);
  }

  #dotZeros(strip: Strip, x: number, start: number): void {
    const { width, height, rows, columns } = this.fit;
    for (let i = 0; i < rows * columns; i++) {
      if (this.#codes.all[start + i] !== NONE) continue;
      const across = x + Math.floor((((i % columns) + 0.5) * width) / columns);
      const down = Math.floor(((Math.floor(i / columns) + 0.5) * height) / rows);
      for (const dy of [-1, 0]) for (const dx of [-1, 0]) strip.pixels[(down + dy) * strip.width + across + dx] = this.#inks.unknown;
    }
  }
}

/** Fill a square of one colour. */
export function paintSquare(strip: Strip, x: number, side: number, ink: number): void {
  for (let down = 0; down < side; down++) strip.pixels.fill(ink, down * strip.width + x, down * strip.width + x + side);
}

/** Hatch a square as what is masked. */
export function paintMasked(strip: Strip, x: number, side: number, inks: Inks): void {
  for (let y = 0; y < side; y++) for (let across = 0; across < side; across++) strip.pixels[y * strip.width + x + across] = hatched(inks, across, y);
}
