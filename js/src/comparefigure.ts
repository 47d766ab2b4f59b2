/** One of the three matrices of a comparison, on a canvas of its own. */

import { diverging, inkOn, signedLevel } from "./colours.ts";
import { type Axis, reduce } from "./comparemodel.ts";
import { clamp, columnMiddle, hit, type Hit, type Layout, rowMiddle } from "./geometry.ts";
import type { Window } from "./figure.ts";
import { crop, paintMatrix } from "./heatmap.ts";
import { within } from "./projector.ts";
import { fit } from "./text.ts";
import type { Theme } from "./theme.ts";
import { type Head, VALUE } from "./wire.ts";

const LONGEST_LABEL = 96;
const LARGEST_CELL = 30;
const READABLE = 13;
const TALL = 420;
/** Between the row labels and the cells. */
export const GAP = 8;
/** Cells from this size on show what is special about them. */
const ROOMY = 9;

/** What one canvas shows. */
export interface Sheet {
  head: Head | null;
  step: number;
  rows: Axis;
  columns: Axis;
  /** Rows and columns that this side lacks. */
  missing: { rows: number[]; columns: number[] };
  signed: boolean;
  row: number;
  column: number | null;
  locked: boolean;
  /** Whether row labels stand here, or only on the first canvas. */
  labelled: boolean;
}

/** What the left, the right, and the two together lack. */
export const missingOf = (rows: Axis, columns: Axis): Sheet["missing"][] => [
  { rows: rows.rightOnly, columns: columns.rightOnly },
  { rows: rows.leftOnly, columns: columns.leftOnly },
  { rows: [...rows.leftOnly, ...rows.rightOnly], columns: [...columns.leftOnly, ...columns.rightOnly] },
];

export class Matrix {
  readonly canvas = document.createElement("canvas");
  /** How many cells a side each drawn cell stands for. */
  step = 1;
  #context = this.canvas.getContext("2d");
  /** What was drawn last, and where. */
  shown: { sheet: Sheet; layout: Layout; theme: Theme } | null = null;
  #painted: { head: Head; key: string; canvas: HTMLCanvasElement } | null = null;
  #labels = new Map<string, string>();

  hit(event: MouseEvent): Hit {
    const { x, y } = within(this.canvas, event);
    return this.shown ? hit(this.shown.layout, x, y) : { row: null, column: null };
  }

  /** Where a pointer is, in rows and columns. */
  place(event: MouseEvent): { row: number; column: number } {
    const { x, y } = within(this.canvas, event);
    const at = this.shown?.layout;
    return at ? { row: at.row0 + (y - at.y) / at.cellHeight, column: at.column0 + (x - at.x) / at.cellWidth } : { row: 0, column: 0 };
  }

  /** Widest label of an axis, in a font. */
  widest(axis: Axis, theme: Theme): number {
    const context = this.#context;
    if (!context) return 40;
    setFont(context, 12, true, theme); // as it is when chosen
    const most = axis.labels.length > 400 ? axis.labels.filter((_, i) => i % 8 === 0) : axis.labels;
    return most.reduce((width, label) => Math.max(width, context.measureText(this.#label(label)).width), 16);
  }

  draw(sheet: Sheet, layout: Layout, theme: Theme, ratio: number): void {
    this.shown = { sheet, layout, theme };
    const { canvas } = this;
    canvas.width = Math.ceil(layout.width * ratio);
    canvas.height = Math.ceil(layout.height * ratio);
    canvas.style.width = `${layout.width}px`;
    canvas.style.height = `${layout.height}px`;
    canvas.dataset["cells"] = [layout.x, layout.y, layout.cellWidth, layout.cellHeight].join(" ");
    if (this.#context) this.paint(this.#context, ratio, 0, 0);
  }

  /** Paint what was drawn last into any context, with its corner at `x` and `y`. */
  paint(context: CanvasRenderingContext2D, ratio: number, x: number, y: number): void {
    if (!this.shown) return;
    const { sheet, layout, theme } = this.shown;
    context.setTransform(ratio, 0, 0, ratio, x * ratio, y * ratio);
    context.clearRect(0, 0, layout.width, layout.height);
    this.#drawCells(context, sheet, layout, theme, ratio);
    this.#drawMissing(context, sheet, layout, theme);
    this.#drawLabels(context, sheet, layout, theme);
    if (sheet.head) this.#drawSelection(context, sheet, layout, theme);
  }

  #drawCells(context: CanvasRenderingContext2D, sheet: Sheet, layout: Layout, theme: Theme, ratio: number): void {
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    const [wide, high] = [layout.cellWidth * layout.columns, layout.cellHeight * layout.rows];
    context.strokeRect(layout.x - 0.5, layout.y - 0.5, wide + 1, high + 1);
    if (!sheet.head) return;
    // No smaller than a pixel of the screen: otherwise rows and columns would be skipped.
    const cell = Math.min(layout.cellWidth, layout.cellHeight) * sheet.step;
    const by = Math.ceil(1 / Math.max(cell * ratio, 0.02));
    this.step = sheet.step * by;
    const seen = inSight(sheet.head, layout, sheet.step, by);
    const key = [seen.row0, seen.column0, seen.rows, seen.columns, layout.cellWidth, layout.cellHeight, theme.mode, theme.surface, ratio, by].join();
    if (this.#painted?.head !== sheet.head || this.#painted.key !== key) {
      this.#painted = { head: sheet.head, key, canvas: paint(reduce(crop(sheet.head, { ...layout, ...seen }), by), sheet.signed, this.step, layout, theme, ratio) };
    }
    const { canvas } = this.#painted;
    context.save();
    clipTo(context, layout);
    const x = layout.x - (layout.column0 - seen.column0 * sheet.step) * layout.cellWidth;
    const y = layout.y - (layout.row0 - seen.row0 * sheet.step) * layout.cellHeight;
    context.drawImage(canvas, x, y, canvas.width / ratio, canvas.height / ratio);
    context.restore();
  }

  /** Rows and columns without a counterpart: an empty band, struck through. */
  #drawMissing(context: CanvasRenderingContext2D, sheet: Sheet, layout: Layout, theme: Theme): void {
    const missing = {
      rows: sheet.missing.rows.filter((row) => isIn(row, layout.row0, layout.rows)),
      columns: sheet.missing.columns.filter((column) => isIn(column, layout.column0, layout.columns)),
    };
    const [wide, high] = [layout.cellWidth * layout.columns, layout.cellHeight * layout.rows];
    context.fillStyle = theme.surface;
    for (const row of missing.rows) context.fillRect(layout.x, rowMiddle(layout, row) - layout.cellHeight / 2, wide, layout.cellHeight);
    for (const column of missing.columns) context.fillRect(columnMiddle(layout, column) - layout.cellWidth / 2, layout.y, layout.cellWidth, high);
    context.beginPath();
    for (const row of missing.rows) {
      context.moveTo(layout.x, rowMiddle(layout, row));
      context.lineTo(layout.x + wide, rowMiddle(layout, row));
    }
    for (const column of missing.columns) {
      context.moveTo(columnMiddle(layout, column), layout.y);
      context.lineTo(columnMiddle(layout, column), layout.y + high);
    }
    context.strokeStyle = theme.unknown;
    context.lineWidth = 1;
    context.stroke();
  }

  #drawLabels(context: CanvasRenderingContext2D, sheet: Sheet, layout: Layout, theme: Theme): void {
    context.textBaseline = "middle";
    const gone = { rows: new Set(sheet.missing.rows), columns: new Set(sheet.missing.columns) };
    const look = (chosen: boolean, absent: boolean): void => {
      setFont(context, layout.font, chosen, theme);
      context.fillStyle = chosen ? theme.ink : theme.muted;
      context.globalAlpha = absent && !chosen ? 0.55 : 1;
    };
    sheet.columns.labels.forEach((label, column) => {
      if (!isIn(column, layout.column0, layout.columns) || !isShown(column, sheet.column, layout.columnStep)) return;
      look(column === sheet.column, gone.columns.has(column));
      context.save();
      context.translate(columnMiddle(layout, column), layout.y - 6);
      context.rotate(-Math.PI / 2);
      context.textAlign = "left";
      context.fillText(this.#label(label), 0, 0.5);
      context.restore();
    });
    context.textAlign = "right";
    if (sheet.labelled) {
      sheet.rows.labels.forEach((label, row) => {
        if (!isIn(row, layout.row0, layout.rows) || !isShown(row, sheet.row, layout.rowStep)) return;
        look(row === sheet.row, gone.rows.has(row));
        context.fillText(this.#label(label), layout.x - 7, rowMiddle(layout, row));
      });
    }
    context.globalAlpha = 1;
  }

  #drawSelection(context: CanvasRenderingContext2D, sheet: Sheet, layout: Layout, theme: Theme): void {
    const { row, column } = sheet;
    if (!isIn(row, layout.row0, layout.rows)) return;
    const y = layout.y + (row - layout.row0) * layout.cellHeight;
    context.strokeStyle = theme.ink;
    context.lineWidth = sheet.locked ? 1.5 : 1;
    context.strokeRect(layout.x - 0.5, y - 0.5, layout.cellWidth * layout.columns, layout.cellHeight);
    if (layout.cellWidth >= 29 && sheet.step === 1) this.#drawNumbers(context, sheet, layout, theme);
    if (column === null || !isIn(column, layout.column0, layout.columns)) return;
    context.lineWidth = 2;
    context.strokeStyle = layout.cellHeight >= ROOMY ? theme.accent : theme.ink;
    context.strokeRect(layout.x + (column - layout.column0) * layout.cellWidth - 1, y - 1, layout.cellWidth + 1, layout.cellHeight + 1);
  }

  /** The numbers of the row that is read, in its cells. */
  #drawNumbers(context: CanvasRenderingContext2D, sheet: Sheet, layout: Layout, theme: Theme): void {
    const { head, row, signed } = sheet;
    if (!head) return;
    setFont(context, 10, false, theme);
    context.textAlign = "center";
    const palette = signed ? diverging[theme.mode] : theme.palette;
    for (let column = layout.column0; column < layout.column0 + layout.columns; column++) {
      const weight = head.weights[row * head.keys + column]!;
      if (head.states[row * head.keys + column] !== VALUE || !(Math.abs(weight) >= 0.005) || Math.abs(weight) >= 9.5) continue;
      const colour = palette[signed ? signedLevel(weight) : signedLevel(2 * weight - 1)];
      context.fillStyle = colour ? inkOn(colour) : theme.ink;
      const text = Math.abs(weight).toFixed(2).replace(/^0/, "");
      context.fillText(`${signed && weight > 0 ? "+" : weight < 0 ? "−" : ""}${text}`, columnMiddle(layout, column), rowMiddle(layout, row) + 0.5);
    }
  }

  #label(token: string): string {
    const context = this.#context;
    let label = this.#labels.get(token);
    if (label === undefined) {
      label = context ? fit(token, LONGEST_LABEL, (text) => context.measureText(text).width) : token;
      if (this.#labels.size > 10_000) this.#labels.clear();
      this.#labels.set(token, label);
    }
    return label;
  }
}

const isIn = (at: number, first: number, count: number): boolean => at >= first && at < first + count;

/** Rows and columns of a head in sight, whole blocks of `by`; a row of it stands for `step` of the layout. */
function inSight({ queries, keys }: Head, { row0, column0, rows, columns }: Layout, step: number, by: number): Pick<Layout, "row0" | "column0" | "rows" | "columns"> {
  const unit = step * by;
  const [first, left] = [Math.floor(row0 / unit) * by, Math.floor(column0 / unit) * by];
  const end = Math.min(queries, Math.ceil((row0 + rows) / unit) * by);
  const right = Math.min(keys, Math.ceil((column0 + columns) / unit) * by);
  return { row0: first, column0: left, rows: end - first, columns: right - left };
}

function clipTo(context: CanvasRenderingContext2D, layout: Layout): void {
  context.beginPath();
  context.rect(layout.x, layout.y, layout.cellWidth * layout.columns, layout.cellHeight * layout.rows);
  context.clip();
}

/** Every so many labels, and the chosen one with room around it. */
const isShown = (at: number, chosen: number | null, step: number): boolean =>
  at === chosen || (at % step === 0 && (chosen === null || Math.abs(at - chosen) >= step));

function setFont(context: CanvasRenderingContext2D, size: number, bold: boolean, theme: Theme): void {
  context.font = `${bold ? "600 " : ""}${size}px ${theme.font}`;
}

/** Paint weights, or differences on the diverging scale, with a dot where there is none. */
function paint(head: Head, signed: boolean, step: number, layout: Layout, theme: Theme, ratio: number): HTMLCanvasElement {
  const cells = { ...layout, cellWidth: layout.cellWidth * step, cellHeight: layout.cellHeight * step };
  if (!signed) return paintMatrix(head, cells, theme, ratio);
  // The middle of the scale is no difference; only −1 itself would look like a weight of zero.
  const weights = head.weights.map((weight) => (Number.isFinite(weight) ? Math.max((weight + 1) / 2, 1e-30) : Number.NaN));
  const canvas = paintMatrix({ ...head, weights }, cells, { ...theme, palette: diverging[theme.mode] }, ratio);
  const context = canvas.getContext("2d");
  if (!context || Math.min(cells.cellWidth, cells.cellHeight) < ROOMY) return canvas;
  context.fillStyle = theme.unknown;
  head.weights.forEach((weight, i) => {
    if (weight !== 0 || head.states[i] !== VALUE) return;
    const x = ((i % head.keys) + 0.5) * cells.cellWidth * ratio;
    const y = (Math.floor(i / head.keys) + 0.5) * cells.cellHeight * ratio;
    context.fillRect(x - ratio, y - ratio, 2 * ratio, 2 * ratio);
  });
  return canvas;
}

/** Where the cells in a window stand in a width; `rowLabel` is 0 where row labels stand elsewhere. */
export function place(width: number, { row, column, rows, columns }: Window, rowLabel: number, columnLabel: number, ratio: number): Layout {
  const x = rowLabel ? Math.ceil(rowLabel) + GAP : 2;
  const room = Math.max(40, width - x - 3) / Math.max(1, columns);
  const cellWidth = snap(Math.min(room, LARGEST_CELL), ratio);
  const cellHeight = snap(clamp(cellWidth, Math.min(READABLE, TALL / Math.max(1, rows)), Math.max(TALL / Math.max(1, rows), 1)), ratio);
  const y = Math.ceil(columnLabel) + 12;
  const font = clamp(0.95 * Math.min(cellWidth, cellHeight), 9, 12);
  return {
    x,
    y,
    cellWidth,
    cellHeight,
    rows,
    columns,
    row0: row,
    column0: column,
    strip: 0,
    arcs: 0,
    flat: false,
    font,
    rowStep: Math.ceil((font + 0.5) / cellHeight),
    columnStep: Math.ceil((font + 0.5) / cellWidth),
    width: Math.ceil(x + cellWidth * columns) + 3,
    height: Math.ceil(y + cellHeight * rows) + 3,
  };
}

/** Cells of whole device pixels where they are large enough for the eye to tell. */
function snap(cell: number, ratio: number): number {
  return cell * ratio >= 2 ? Math.floor(cell * ratio) / ratio : cell;
}
