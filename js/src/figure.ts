/** The figure: arcs, labels, matrix and predictions on one canvas. */

import { brief, fit } from "./text.ts";
import { drawArcs } from "./arcs.ts";
import { inkOn, level } from "./colours.ts";
import { forgetFont, setFont, useFont } from "./fonts.ts";
import { columnMiddle, type Demand, hit, type Hit, type Layout, layOut, rowMiddle, stepFor } from "./geometry.ts";
import { crop, paintCells, paintMatrix, reduced, ROOMY, stripes } from "./heatmap.ts";
import type { Ablation, Predictions } from "./model.ts";
import type { Theme } from "./theme.ts";
import { drawPredictions } from "./nexts.ts";
import { within } from "./projector.ts";
import { drawStrips } from "./strips.ts";
import { Tiles } from "./tiles.ts";
import { type Head, isWeights, NOT_CAPTURED, type Row, rowOf, shareOf, VALUE } from "./wire.ts";

/** Everything the figure shows at one moment. */
export interface Picture {
  head: Head | null;
  rows: string[];
  columns: string[];
  /** What of the matrix is in sight. */
  window: Window;
  /** Further rows whose weights are summed with those of the row that is read. */
  selected: number[];
  /** The row that is read, in other heads. */
  strips: { name: string; head: Head; row: Row | null }[];
  /** Whether the columns are the same tokens as the rows. */
  square: boolean;
  predictions: Predictions | null;
  ablation: { name: string; result: Ablation } | null;
  /** The row that is read, and the column pointed at. */
  row: number;
  column: number | null;
  locked: boolean;
}

/** Part of a matrix, in rows and columns. */
export interface Window {
  row: number;
  column: number;
  rows: number;
  columns: number;
}

const LONGEST_LABEL = 104;
const LONGEST_NEXT = 88;
const NUMBER = 30;

/** Tokens in the window, with their places. */
export function inWindow(tokens: string[], first: number, count: number): [string, number][] {
  return tokens.slice(first, first + count).map((token, i) => [token, first + i]);
}

/** What is clear in a picture of a matrix is masked. */
function fillStriped(context: CanvasRenderingContext2D, layout: Layout, theme: Theme): void {
  context.fillStyle = stripes(context, theme.hatch, 1);
  context.fillRect(layout.x, layout.y, layout.cellWidth * layout.columns, layout.cellHeight * layout.rows);
}

export class Figure {
  readonly canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d");
  #layout: Layout | null = null;
  #matrix: { head: Head; key: string; canvas: HTMLCanvasElement; plain: boolean } | null = null;
  #labels = new Map<string, string>();
  #widths = new WeakMap<string[], number>();
  #font = "";
  /** Rows and columns behind each cell of the picture that was drawn last; 0 where it has not come. */
  step = 1;

  get layout(): Layout | null {
    return this.#layout;
  }

  /** Lay out for a width; the caller may compare layouts before it draws. */
  measure(picture: Picture, width: number, theme: Theme, ratio: number): Layout {
    const context = this.#context;
    if (!context) return layOut({ width, rows: 1, columns: 1, rowLabel: 0, columnLabel: 0, tail: 0, ratio });
    const font = `600 12px ${theme.font}`; // as labels are when chosen
    if (this.#font !== font) {
      this.#labels.clear();
      this.#widths = new WeakMap();
    }
    this.#font = font;
    useFont(context, font);
    const widest = (tokens: string[], limit: number): number => this.#widest(context, tokens, limit);
    const demand: Demand = {
      width,
      rows: picture.window.rows,
      columns: picture.window.columns,
      row0: picture.window.row,
      column0: picture.window.column,
      strips: picture.strips.length,
      rowLabel: Math.max(48, widest(picture.rows, LONGEST_LABEL)),
      columnLabel: widest(picture.columns, LONGEST_LABEL),
      tail: this.#tail(picture, widest),
      ratio,
    };
    return layOut(demand);
  }

  #tail(picture: Picture, widest: (tokens: string[], limit: number) => number): number {
    if (!picture.predictions) return 0;
    const one = 14 + Math.max(40, widest(picture.predictions.tokens, LONGEST_NEXT)) + 6 + NUMBER;
    if (!picture.ablation) return one;
    return one + 16 + Math.max(72, widest(picture.ablation.result.after.tokens, LONGEST_NEXT)) + 6 + NUMBER;
  }

  #label(token: string, limit: number): string {
    const context = this.#context;
    const key = `${limit} ${token}`;
    let label = this.#labels.get(key);
    if (label === undefined) {
      label = context ? fit(token, limit, (text) => context.measureText(text).width) : token;
      this.#labels.set(key, label);
    }
    return label;
  }

  hit(event: MouseEvent): Hit {
    const { x, y } = within(this.canvas, event);
    return this.#layout ? hit(this.#layout, x, y) : { row: null, column: null };
  }

  /** Where a pointer is, in rows and columns. */
  place(event: MouseEvent): { row: number; column: number } {
    const { x, y } = within(this.canvas, event);
    const at = this.#layout;
    return at ? { row: at.row0 + (y - at.y) / at.cellHeight, column: at.column0 + (x - at.x) / at.cellWidth } : { row: 0, column: 0 };
  }

  draw(picture: Picture, layout: Layout, theme: Theme, ratio: number): void {
    this.#layout = layout;
    const { canvas } = this;
    const width = Math.ceil(layout.width * ratio);
    const height = Math.ceil(layout.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      canvas.style.width = `${layout.width}px`;
      canvas.style.height = `${layout.height}px`;
    }
    // Where the cells stand, for whoever has to point at one from outside.
    canvas.dataset["cells"] = [layout.x, layout.y, layout.cellWidth, layout.cellHeight].join(" ");
    if (this.#context) this.paint(this.#context, picture, layout, theme, ratio);
    // Cells behind a point of the picture, 0 while it is not here.
    canvas.dataset["step"] = String(picture.head ? this.step : 0);
  }

  /** Paint into any context: the panel's own, a larger one, or one that records. */
  paint(context: CanvasRenderingContext2D, picture: Picture, layout: Layout, theme: Theme, ratio: number): void {
    forgetFont(context); // a canvas of a new size has lost it
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, layout.width, layout.height);
    if (picture.head) {
      this.#drawMatrix(context, picture.head, layout, theme, ratio);
      if (isWeights(picture.head)) drawArcs(context, picture, picture.head, layout, theme);
    }
    this.#drawLabels(context, picture, layout, theme);
    drawPredictions(context, picture, layout, theme, this.#tail({ ...picture, ablation: null }, (t, l) => this.#widest(context, t, l)) - 14, (token) => this.#label(token, LONGEST_NEXT));
    this.#drawSelection(context, picture, layout, theme);
    drawStrips(context, picture, layout, theme, (token) => this.#label(token, LONGEST_LABEL));
  }

  #drawMatrix(context: CanvasRenderingContext2D, head: Head, layout: Layout, theme: Theme, ratio: number): void {
    context.save();
    context.beginPath();
    context.rect(layout.x, layout.y, layout.cellWidth * layout.columns, layout.cellHeight * layout.rows);
    context.clip();
    if (head.tiles instanceof Tiles) {
      fillStriped(context, layout, theme);
      this.step = head.tiles.draw(context, layout, theme, ratio);
      head.tiles.want(layout, ratio);
    } else this.#drawWhole(context, head, layout, theme, ratio);
    context.restore();
  }

  /** Draw a head that is here; where cells are narrower than a pixel, the maxima of several. */
  #drawWhole(context: CanvasRenderingContext2D, head: Head, layout: Layout, theme: Theme, ratio: number): void {
    const step = (this.step = stepFor(layout, ratio));
    const { cellWidth, cellHeight } = layout;
    const row0 = layout.row0 - (layout.row0 % step);
    const column0 = layout.column0 - (layout.column0 % step);
    const part = { row0, column0, rows: layout.row0 + layout.rows - row0, columns: layout.column0 + layout.columns - column0 };
    const key = [...Object.values(part), cellWidth, cellHeight, theme.mode, theme.surface, ratio].join();
    if (this.#matrix?.head !== head || this.#matrix.key !== key) {
      const shown = crop(head, part);
      // Small cells without marks are drawn on their ground at once: a picture in device pixels takes ten times as long.
      const plain = step > 1 || (Math.min(cellWidth, cellHeight) < ROOMY && !shown.states.includes(NOT_CAPTURED));
      const canvas = plain ? paintCells(reduced(shown, step), theme, true) : paintMatrix(shown, layout, theme, ratio);
      this.#matrix = { head, key, canvas, plain };
    }
    if (this.#matrix.plain) fillStriped(context, layout, theme);
    context.imageSmoothingEnabled = false;
    // The last of reduced cells may stand for fewer; they are drawn over the edge, and clipped.
    const wide = step * cellWidth * Math.ceil(part.columns / step);
    const high = step * cellHeight * Math.ceil(part.rows / step);
    context.drawImage(this.#matrix.canvas, layout.x + (column0 - layout.column0) * cellWidth, layout.y + (row0 - layout.row0) * cellHeight, wide, high);
  }

  #drawLabels(context: CanvasRenderingContext2D, picture: Picture, layout: Layout, theme: Theme): void {
    context.textBaseline = "middle";
    context.textAlign = "right";
    const rows = inWindow(picture.rows, layout.row0, layout.rows);
    const columns = inWindow(picture.columns, layout.column0, layout.columns);
    for (const [token, row] of rows) {
      const chosen = row === picture.row || picture.selected.includes(row);
      if (!chosen && (row % layout.rowStep || Math.abs(row - picture.row) < layout.rowStep)) continue;
      setFont(context, layout.font, chosen, theme);
      context.fillStyle = chosen ? theme.ink : theme.muted;
      context.fillText(this.#label(token, LONGEST_LABEL), layout.x - 7, rowMiddle(layout, row));
    }
    this.#drawColumnLabels(context, picture, columns, layout, theme);
  }

  #drawColumnLabels(context: CanvasRenderingContext2D, picture: Picture, columns: [string, number][], layout: Layout, theme: Theme): void {
    const { column } = picture;
    const read = picture.head ? rowOf(picture.head, picture.row) : null;
    context.save();
    context.textAlign = layout.flat ? "center" : "left";
    if (!layout.flat) context.rotate(-Math.PI / 2);
    for (const [token, c] of columns) {
      const chosen = c === column;
      if (!chosen && (c % layout.columnStep || (column !== null && Math.abs(c - column) < layout.columnStep))) continue;
      setFont(context, layout.font, chosen, theme);
      context.fillStyle = chosen || (read?.states[c] === VALUE && read.weights[c]! >= 0.1) ? theme.ink : theme.muted;
      const x = columnMiddle(layout, c);
      const label = this.#label(token, LONGEST_LABEL);
      if (layout.flat) context.fillText(label, x, layout.y - 12);
      else context.fillText(label, 6 - layout.y, x + 0.5);
    }
    context.restore();
    forgetFont(context);
  }

  #drawSelection(context: CanvasRenderingContext2D, picture: Picture, layout: Layout, theme: Theme): void {
    const { head, row, column } = picture;
    if (!head) return;
    for (const other of picture.selected) this.#frameRow(context, other, layout, theme.accent, 1);
    if (row < layout.row0 || row >= layout.row0 + layout.rows) return;
    const y = layout.y + (row - layout.row0) * layout.cellHeight;
    const roomy = layout.cellHeight >= 9;
    this.#frameRow(context, row, layout, theme.ink, picture.locked ? 1.5 : 1);
    if (layout.cellWidth >= 30) this.#drawNumbers(context, picture, layout, theme);
    if (column === null || column < layout.column0 || column >= layout.column0 + layout.columns) return;
    const x = layout.x + (column - layout.column0) * layout.cellWidth;
    context.lineWidth = 2;
    context.strokeStyle = roomy ? theme.accent : theme.ink;
    context.strokeRect(x - 1, y - 1, layout.cellWidth + 1, layout.cellHeight + 1);
  }

  #frameRow(context: CanvasRenderingContext2D, row: number, layout: Layout, colour: string, width: number): void {
    if (row < layout.row0 || row >= layout.row0 + layout.rows) return;
    context.strokeStyle = colour;
    context.lineWidth = width;
    const y = layout.y + (row - layout.row0) * layout.cellHeight;
    context.strokeRect(layout.x - 1, y - 1, layout.cellWidth * layout.columns + 1, layout.cellHeight + 1);
  }

  /** The numbers of the row that is read, in its cells. */
  #drawNumbers(context: CanvasRenderingContext2D, picture: Picture, layout: Layout, theme: Theme): void {
    setFont(context, 11, false, theme);
    context.textAlign = "center";
    const read = picture.head ? rowOf(picture.head, picture.row) : null;
    for (const [, column] of inWindow(picture.columns, layout.column0, layout.columns)) {
      const weight = read?.states[column] === VALUE ? (read.weights[column] ?? null) : null;
      if (weight === null || !Number.isFinite(weight) || Math.abs(weight) < 0.005) continue;
      const colour = theme.palette[level(picture.head ? shareOf(picture.head, weight) : weight)];
      context.fillStyle = colour ? inkOn(colour) : theme.ink;
      context.fillText(brief(weight).replace(/^0/, ""), columnMiddle(layout, column), rowMiddle(layout, picture.row) + 0.5);
    }
  }

  /** Width of the widest label of a token list, measured once. */
  #widest(context: CanvasRenderingContext2D, tokens: string[], limit: number): number {
    const known = this.#widths.get(tokens);
    if (known !== undefined) return known;
    useFont(context, this.#font);
    const width = tokens.reduce((most, token) => Math.max(most, context.measureText(this.#label(token, limit)).width), 0);
    this.#widths.set(tokens, width);
    return width;
  }
}
