/** Rows of the grid as bitmaps, each painted once. */

import { inkOn, level } from "./colours.ts";
import type { Layer } from "./griddata.ts";
import type { GridPicture } from "./gridfigure.ts";
import type { GridLayout } from "./gridlayout.ts";
import type { Place } from "./gridorder.ts";
import { type Inks, makeInks, Painter, paintMasked, paintSquare, type Strip } from "./gridpaint.ts";
import { brief } from "./text.ts";
import type { Theme } from "./theme.ts";

/** From this side on a cell holds its number. */
const NUMBERED = 34;

/** Rows on one canvas: a canvas for each costs more than painting it, and one for all may be larger than a canvas can be. */
const ON_A_SHEET = 32;

interface Sheet {
  context: CanvasRenderingContext2D;
  pixels: Uint32Array<ArrayBuffer>;
  /** What each row was painted from. */
  keys: string[];
}

/** Where a row was painted, in device pixels. */
export interface Bitmap {
  canvas: HTMLCanvasElement;
  y: number;
  width: number;
  height: number;
}

/** What rows are painted with. */
interface Means {
  picture: GridPicture;
  layout: GridLayout;
  theme: Theme;
  ratio: number;
  inks: Inks;
  /** From one head to the next, and how large one is, in device pixels. */
  pitch: number;
  side: number;
}

export class GridRows {
  #sheets = new Map<number, Sheet>();
  #painters = new WeakMap<Layer, { version: number; side: number; inks: Inks; painter: Painter }>();
  #inks: { theme: Theme; ratio: number; inks: Inks } | null = null;

  /** Let go of what is out of view. */
  keep(first: number, last: number): void {
    for (const sheet of this.#sheets.keys()) {
      if (sheet < Math.floor(first / ON_A_SHEET) || sheet > Math.floor(last / ON_A_SHEET)) this.#sheets.delete(sheet);
    }
  }

  /** Bitmaps of some rows; painted again only where something in them changed. */
  bitmaps(picture: GridPicture, [first, last]: [number, number], layout: GridLayout, theme: Theme, ratio: number): Map<number, Bitmap> {
    if (this.#inks?.theme !== theme || this.#inks.ratio !== ratio) this.#inks = { theme, ratio, inks: makeInks(theme, ratio) };
    const means = { picture, layout, theme, ratio, inks: this.#inks.inks, pitch: Math.round(layout.pitch * ratio), side: Math.round(layout.side * ratio) };
    const found = new Map<number, Bitmap>();
    for (let number = Math.floor(first / ON_A_SHEET); number * ON_A_SHEET <= last; number++) {
      const sheet = this.#sheet(number, means);
      if (!sheet) continue;
      const rows = { from: Math.max(first, number * ON_A_SHEET), to: Math.min(last, (number + 1) * ON_A_SHEET - 1) };
      this.#fill(sheet, rows, means);
      const { canvas } = sheet.context;
      for (let row = rows.from; row <= rows.to; row++) {
        found.set(row, { canvas, y: (row % ON_A_SHEET) * means.side, width: canvas.width, height: means.side });
      }
    }
    return found;
  }

  #sheet(number: number, { layout, pitch, side }: Means): Sheet | null {
    const [width, height] = [pitch * layout.columns, side * Math.min(ON_A_SHEET, layout.rows - number * ON_A_SHEET)];
    const known = this.#sheets.get(number);
    const context = known?.context ?? document.createElement("canvas").getContext("2d");
    if (!context || !width || !height) return null;
    if (known && context.canvas.width === width && context.canvas.height === height) return known;
    Object.assign(context.canvas, { width, height });
    const sheet = { context, pixels: new Uint32Array(width * height), keys: [] };
    this.#sheets.set(number, sheet);
    return sheet;
  }

  /** Paint those rows that changed; all go to the canvas at once, since to draw from it in between would copy it. */
  #fill(sheet: Sheet, { from, to }: { from: number; to: number }, means: Means): void {
    let changed = false;
    for (let row = from; row <= to; row++) {
      const key = rowKey(row, means);
      if (sheet.keys[row % ON_A_SHEET] === key) continue;
      sheet.keys[row % ON_A_SHEET] = key;
      changed = true;
      this.#paint(sheet, row, means);
    }
    if (!changed) return;
    const { context, pixels, keys } = sheet;
    const { width, height } = context.canvas;
    context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
    // The pixels have no lines and no numbers.
    const start = from - (from % ON_A_SHEET);
    keys.forEach((_, place) => this.#finish(context, start + place, means));
  }

  #paint({ context, pixels }: Sheet, row: number, means: Means): void {
    const { picture, pitch, side } = means;
    const { width } = context.canvas;
    const at = (row % ON_A_SHEET) * side * width;
    const strip = { pixels: pixels.subarray(at, at + side * width).fill(0), width };
    picture.rows[row]?.forEach((place, i) => this.#head(strip, i * pitch, place, means));
  }

  /** Outline heads that are not here, and write numbers where there is room. */
  #finish(context: CanvasRenderingContext2D, row: number, { picture, layout, theme, ratio, pitch, side }: Means): void {
    const places = picture.rows[row] ?? [];
    const y = (row % ON_A_SHEET) * side;
    context.setTransform(1, 0, 0, 1, 0, y);
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    places.forEach((place, i) => {
      if (isMissing(picture, place)) context.strokeRect(i * pitch + 0.5, 0.5, side - 1, side - 1);
    });
    if (!picture.read || layout.side < NUMBERED) return;
    context.setTransform(ratio, 0, 0, ratio, 0, y);
    writeNumbers(context, picture, places, layout, theme);
  }

  #head(strip: Strip, x: number, place: Place, { picture, side, inks }: Means): void {
    const [number, head] = place;
    if (isMissing(picture, place)) return;
    const layer = picture.layerOf(number);
    const reading = picture.read?.(number, head);
    if (!reading) {
      if (layer) this.#painter(layer, side, inks).paint(strip, x, head);
    } else if ("number" in reading) paintSquare(strip, x, side, inks.steps[level(reading.number / picture.end)]!);
    else if (reading.missing === "masked") paintMasked(strip, x, side, inks);
    else paintSquare(strip, x, side, reading.missing === "not a number" ? inks.nan : inks.unknown);
  }

  /** What paints a layer's thumbnails as they are now, in every row that has some of them. */
  #painter(layer: Layer, side: number, inks: Inks): Painter {
    const known = this.#painters.get(layer);
    if (known?.version === layer.version && known.side === side && known.inks === inks) return known.painter;
    const painter = new Painter(layer, side, inks);
    this.#painters.set(layer, { version: layer.version, side, inks, painter });
    return painter;
  }
}

function rowKey(row: number, { picture, layout, theme, ratio }: Means): string {
  const places = picture.rows[row] ?? [];
  const layers = [...new Set(places.map(([layer]) => layer))];
  const versions = layers.map((layer) => picture.layerOf(layer)?.version ?? -1);
  const shown = picture.byLayer ? layers : places.flat();
  return [picture.key, picture.end, theme.mode, theme.surface, ratio, layout.pitch, layout.side, ...versions, ...shown].join();
}

/** Whether there is nothing to paint of a head. */
function isMissing({ read, layerOf }: GridPicture, [number, head]: Place): boolean {
  const reading = read?.(number, head);
  if (reading) return "missing" in reading && (reading.missing === "not here" || reading.missing === "other tokens");
  return head >= (layerOf(number)?.have ?? 0);
}

function writeNumbers(context: CanvasRenderingContext2D, picture: GridPicture, places: Place[], layout: GridLayout, theme: Theme): void {
  context.font = `11px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  places.forEach((place, i) => {
    const reading = picture.read?.(...place);
    if (!reading || !("number" in reading)) return;
    const colour = theme.palette[level(reading.number / picture.end)];
    context.fillStyle = colour ? inkOn(colour) : theme.ink;
    context.fillText(brief(reading.number), i * layout.pitch + layout.side / 2, layout.side / 2 + 0.5);
  });
}
