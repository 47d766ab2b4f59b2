/** The grid on one canvas: the rows in view, their names, brackets and frames. */

import type { Layer, Reading } from "./griddata.ts";
import { type GridLayout, rowsInView } from "./gridlayout.ts";
import type { Place } from "./gridorder.ts";
import { GridRows } from "./gridrows.ts";
import { headName } from "./model.ts";
import type { Theme } from "./theme.ts";

export interface GridPicture {
  rows: Place[][];
  /** The head on show; null for all heads of its layer. */
  layer: number;
  head: number | null;
  hover: Place | null;
  /** A head's number, or null where thumbnails are shown. */
  read: ((layer: number, head: number) => Reading) | null;
  /** Where the colours end. */
  end: number;
  layerOf: (layer: number) => Layer | undefined;
  /** Groups of query heads, if all layers have the same. */
  brackets: [first: number, last: number][];
  /** Groups of one layer, if layers differ. */
  rowBrackets: (layer: number) => [first: number, last: number][];
  byLayer: boolean;
  /** Changes when anything does that a row shows, besides its own layer. */
  key: string;
}

export class GridFigure {
  readonly canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d");
  #rows = new GridRows();

  draw(picture: GridPicture, layout: GridLayout, theme: Theme, ratio: number, scroll: number): void {
    this.#size(layout, ratio);
    const { canvas } = this;
    canvas.dataset["cells"] = [layout.x, layout.y - scroll, layout.pitch, layout.pitchY].join(" ");
    canvas.dataset["side"] = String(layout.side);
    const [first, last] = rowsInView(layout, scroll);
    this.#rows.keep(first, last);
    if (this.#context) this.paint(this.#context, picture, layout, theme, ratio, scroll);
  }

  /** Draw on any canvas, at so many device pixels to one. */
  paint(context: CanvasRenderingContext2D, picture: GridPicture, layout: GridLayout, theme: Theme, ratio: number, scroll: number): void {
    const [first, last] = rowsInView(layout, scroll);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, layout.width, layout.height);
    context.save();
    context.beginPath();
    context.rect(0, layout.y - 2, layout.width, layout.height);
    context.clip();
    context.imageSmoothingEnabled = false;
    for (const [row, { canvas, y: from, width, height }] of this.#rows.bitmaps(picture, [first, last], layout, theme, ratio)) {
      const x = Math.round(layout.x * ratio) / ratio;
      const y = Math.round((layout.y + row * layout.pitchY - scroll) * ratio) / ratio;
      context.drawImage(canvas, 0, from, width, height, x, y, width / ratio, height / ratio);
    }
    for (let row = first; row <= last; row++) this.#label(context, picture, row, layout, theme, scroll);
    this.#frames(context, picture, layout, theme, scroll, [first, last]);
    context.restore();
    if (picture.byLayer) this.#header(context, picture, layout, theme);
  }

  #size(layout: GridLayout, ratio: number): void {
    const { canvas } = this;
    const width = Math.ceil(layout.width * ratio);
    const height = Math.ceil(layout.height * ratio);
    if (canvas.width === width && canvas.height === height) return;
    canvas.width = width;
    canvas.height = height;
    canvas.style.width = `${layout.width}px`;
    canvas.style.height = `${layout.height}px`;
  }

  #label(context: CanvasRenderingContext2D, picture: GridPicture, row: number, layout: GridLayout, theme: Theme, scroll: number): void {
    const places = picture.rows[row] ?? [];
    const y = layout.y + row * layout.pitchY - scroll;
    if (picture.byLayer) {
      const layer = places[0]?.[0] ?? row;
      const chosen = layer === picture.layer;
      for (const [first, last] of picture.rowBrackets(layer)) {
        context.fillStyle = theme.muted;
        context.fillRect(layout.x + first * layout.pitch, y + layout.side + 2, (last - first) * layout.pitch + layout.side, 1.5);
      }
      if (!chosen && (row % layout.rowStep || Math.abs(row - picture.layer) < layout.rowStep)) return;
      this.#write(context, `L${layer}`, layout.x - 7, y + layout.side / 2, "right", chosen, theme);
    } else if (layout.name) {
      places.forEach(([layer, head], i) => {
        const chosen = layer === picture.layer && head === picture.head;
        this.#write(context, headName(layer, head), layout.x + i * layout.pitch + layout.side / 2, y + layout.side + 7, "center", chosen, theme);
      });
    }
  }

  #header(context: CanvasRenderingContext2D, picture: GridPicture, layout: GridLayout, theme: Theme): void {
    for (let head = 0; head < layout.columns; head++) {
      const chosen = head === picture.head;
      const near = picture.head !== null && Math.abs(head - picture.head) < layout.columnStep;
      if (!chosen && (head % layout.columnStep || near)) continue;
      this.#write(context, `H${head}`, layout.x + head * layout.pitch + layout.side / 2, layout.y - layout.bracket - 9, "center", chosen, theme);
    }
    const named = picture.brackets.length > 0 && layout.pitch * ((picture.brackets[0]?.[1] ?? 0) + 1) >= 30;
    picture.brackets.forEach(([first, last], group) => {
      const left = layout.x + first * layout.pitch + 0.5;
      const right = layout.x + last * layout.pitch + layout.side - 0.5;
      const y = layout.y - 5;
      context.strokeStyle = theme.muted;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(left, y + 3.5);
      context.lineTo(left, y - 0.5);
      context.lineTo(right, y - 0.5);
      context.lineTo(right, y + 3.5);
      context.stroke();
      if (named) this.#write(context, `KV${group}`, (left + right) / 2, y - 7, "center", false, theme);
    });
  }

  /** A frame around the head on show (or its whole layer), and around the one pointed at. */
  #frames(context: CanvasRenderingContext2D, picture: GridPicture, layout: GridLayout, theme: Theme, scroll: number, [first, last]: [number, number]): void {
    const frame = (row: number, from: number, to: number, colour: string, width: number): void => {
      const x = layout.x + from * layout.pitch;
      const y = layout.y + row * layout.pitchY - scroll;
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(x - width / 2, y - width / 2, (to - from) * layout.pitch + layout.side + width, layout.side + width);
    };
    for (let row = first; row <= last; row++) {
      picture.rows[row]?.forEach(([layer, head], column, places) => {
        const { hover } = picture;
        if (hover && hover[0] === layer && hover[1] === head) frame(row, column, column, theme.ink, 1.5);
        if (layer !== picture.layer) return;
        if (picture.head === head) frame(row, column, column, theme.accent, 2);
        else if (picture.head === null && picture.byLayer && column === 0) frame(row, 0, places.length - 1, theme.accent, 2);
      });
    }
  }

  #write(context: CanvasRenderingContext2D, text: string, x: number, y: number, align: CanvasTextAlign, bold: boolean, theme: Theme): void {
    context.font = `${bold ? "600 " : ""}11px ${theme.font}`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillStyle = bold ? theme.ink : theme.muted;
    context.fillText(text, x, y);
  }
}
