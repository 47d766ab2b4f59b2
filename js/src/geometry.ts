/** Where things stand in the figure: pure arithmetic, in CSS pixels. */

/** What the figure has to hold. */
export interface Demand {
  /** Width that is there. */
  width: number;
  /** Rows and columns in the window. */
  rows: number;
  columns: number;
  /** The first row and column of the window. */
  row0?: number;
  column0?: number;
  /** Rows of other heads under the matrix. */
  strips?: number;
  /** Widest label of the rows, and of the columns (as laid flat). */
  rowLabel: number;
  columnLabel: number;
  /** Room right of the matrix, for predictions. */
  tail: number;
  /** Device pixels in a CSS pixel. */
  ratio: number;
}

/** Where the matrix stands, how large its cells are, and how its labels lie. */
export interface Layout {
  x: number;
  y: number;
  cellWidth: number;
  cellHeight: number;
  rows: number;
  columns: number;
  row0: number;
  column0: number;
  /** Height of a strip under the matrix. */
  strip: number;
  /** Height of the arcs' band at the top. */
  arcs: number;
  /** Whether column labels lie flat (else they stand upright). */
  flat: boolean;
  font: number;
  /** Every how many rows and columns have a label. */
  rowStep: number;
  columnStep: number;
  width: number;
  height: number;
}

const GAP = 8;
const FLAT_PAD = 12;
const LARGEST_FLAT = 68;
const LARGEST_UPRIGHT = 34;
const FLAT_HEIGHT = 30;
const COMFORTABLE = 46;
/** Between the matrix and the strips under it. */
export const STRIPS_GAP = 10;
/** Rows are stretched up to this height while all of them fit into TALL. */
const READABLE = 14;
const TALL = 560;

export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Cells of whole device pixels where they are large enough for the eye to tell. */
function snap(cell: number, ratio: number): number {
  return cell * ratio >= 2 ? Math.floor(cell * ratio) / ratio : cell;
}

export function layOut(demand: Demand): Layout {
  const { width, rows, columns, rowLabel, columnLabel, tail, ratio } = demand;
  const x = Math.ceil(rowLabel) + GAP;
  const room = Math.max(40, width - x - tail - 2) / Math.max(1, columns);
  const flat = columnLabel + FLAT_PAD <= Math.min(room, LARGEST_FLAT);
  const wanted = flat ? Math.max(columnLabel + FLAT_PAD, COMFORTABLE) : LARGEST_UPRIGHT;
  const cellWidth = snap(Math.min(room, wanted), ratio);
  let cellHeight = flat ? FLAT_HEIGHT : cellWidth;
  const stretched = Math.min(READABLE, TALL / Math.max(1, rows));
  if (stretched > 1.35 * cellHeight) cellHeight = snap(stretched, ratio);
  const font = clamp((flat ? cellHeight : Math.min(cellWidth, cellHeight)) * 0.95, 9, 12);
  const arcs = Math.round(clamp(0.16 * cellWidth * columns, 40, 84));
  const strip = clamp(cellHeight, 12, 24);
  const y = arcs + (flat ? 24 : Math.ceil(columnLabel) + 10);
  return {
    x,
    y,
    cellWidth,
    cellHeight,
    rows,
    columns,
    row0: demand.row0 ?? 0,
    column0: demand.column0 ?? 0,
    strip,
    arcs,
    flat,
    font,
    rowStep: Math.ceil((font + 0.5) / cellHeight),
    columnStep: flat ? 1 : Math.ceil((font + 0.5) / cellWidth),
    width: x + cellWidth * columns + tail + 2,
    height: Math.ceil(y + cellHeight * rows) + 2 + (demand.strips ? STRIPS_GAP + strip * demand.strips : 0),
  };
}

/** Rows and columns, a power of two, behind each point of a picture in which no cell is narrower than a pixel. */
export function stepFor({ cellWidth, cellHeight }: Layout, ratio: number): number {
  const cells = 1 / Math.min(cellWidth * ratio, cellHeight * ratio);
  return 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(1, cells)) - 1e-9));
}

export interface Hit {
  row: number | null;
  column: number | null;
}

/** What is under a point: a cell, a row (its label or prediction), or a column (its label). */
export function hit(layout: Layout, px: number, py: number): Hit {
  const column = Math.floor((px - layout.x) / layout.cellWidth);
  const row = Math.floor((py - layout.y) / layout.cellHeight);
  const inRows = row >= 0 && row < layout.rows;
  const inColumns = column >= 0 && column < layout.columns;
  const above = py >= layout.arcs && py < layout.y;
  return {
    row: inRows ? row + layout.row0 : null,
    column: inColumns && (inRows || above) ? column + layout.column0 : null,
  };
}

export const rowMiddle = (layout: Layout, row: number): number => layout.y + (row - layout.row0 + 0.5) * layout.cellHeight;
export const columnMiddle = (layout: Layout, column: number): number => layout.x + (column - layout.column0 + 0.5) * layout.cellWidth;

/** Half an ellipse as one cubic: from one foot to the other, as high as far, within `most`. */
export interface Arc {
  from: number;
  to: number;
  base: number;
  /** y of both control points. */
  control: number;
}

export function arc(from: number, to: number, base: number, most: number): Arc {
  const rise = clamp(10 + Math.abs(to - from) * 0.3, 0, most);
  // A cubic whose control points lie at h reaches 3/4 of h.
  return { from, to, base, control: base - rise / 0.75 };
}

/** Thickness and opacity of a weight's arc; null where it would not be seen. */
export function stroke(weight: number): { width: number; alpha: number } | null {
  if (!(weight >= 0.01)) return null;
  const w = Math.min(1, weight);
  return { width: 0.75 + 4.25 * w, alpha: 0.3 + 0.7 * w };
}
