/** Where the cells of the grid stand: pure arithmetic, in CSS pixels. */

export interface GridDemand {
  width: number;
  /** Height that the grid may take before it scrolls. */
  tallest: number;
  rows: number;
  columns: number;
  /** Width of the widest row label. */
  label: number;
  /** Whether heads are bracketed above the columns, and below each row. */
  brackets: "above" | "rows" | "none";
  /** Whether each cell is named below. */
  named: boolean;
  /** Device pixels in a CSS pixel. */
  ratio: number;
}

export interface GridLayout {
  x: number;
  y: number;
  /** From one cell to the next. */
  pitch: number;
  pitchY: number;
  /** Side of a cell. */
  side: number;
  rows: number;
  columns: number;
  width: number;
  /** Height of the whole, and of what is shown of it at once. */
  whole: number;
  height: number;
  /** Every how many rows and columns have a label. */
  rowStep: number;
  columnStep: number;
  /** Height of the names below the cells; 0 for none. */
  name: number;
  bracket: number;
}

const LARGEST = 72;
const COMFORTABLE = 30;
const SMALLEST = 6;
const NAME = 13;
const NAMED = 46;
const HEADER = 20;
const ABOVE = 18;

/** How many columns let all heads be seen at once as large as can be, whatever their layer. */
export function flowColumns(heads: number, width: number, tallest: number): number {
  for (let pitch = LARGEST; pitch > SMALLEST; pitch--) {
    const columns = Math.max(1, Math.floor((width - 12) / pitch));
    const high = pitch + (pitch >= NAMED ? NAME : 0);
    if (Math.ceil(heads / columns) * high <= tallest - 8) return Math.min(heads, columns);
  }
  return Math.max(1, Math.floor((width - 12) / SMALLEST));
}

export function layOutGrid(demand: GridDemand): GridLayout {
  const { ratio, rows, columns } = demand;
  const x = Math.ceil(demand.label) + 10;
  const bracket = demand.brackets === "above" ? ABOVE : 0;
  const y = demand.named ? 4 : HEADER + bracket;
  const under = demand.brackets === "rows" ? 6 : 0;
  const room = (demand.width - x - 2) / Math.max(1, columns);
  // Small enough for all rows to be seen at once, as long as the heads stay comfortable to look at.
  const all = (demand.tallest - y) / Math.max(1, rows) - under - (demand.named && room >= NAMED ? NAME : 0);
  const wanted = Math.min(LARGEST, room, Math.max(all, COMFORTABLE));
  const dots = Math.max(Math.ceil(SMALLEST * ratio), Math.floor(wanted * ratio));
  const gap = Math.max(1, Math.round(dots * 0.09));
  const pitch = dots / ratio;
  const name = demand.named && pitch >= NAMED ? NAME : 0;
  const pitchY = pitch + name + Math.round(under * ratio) / ratio;
  const whole = Math.ceil(y + rows * pitchY) + 2;
  return {
    x,
    y,
    pitch,
    pitchY,
    side: (dots - gap) / ratio,
    rows,
    columns,
    width: Math.ceil(x + columns * pitch) + 2,
    whole,
    height: Math.min(whole, Math.max(demand.tallest, 160)),
    rowStep: Math.ceil(13 / pitchY),
    columnStep: Math.ceil(26 / pitch),
    name,
    bracket,
  };
}

/** Row and column under a point, or null beside the cells; `scroll` is how far the grid was scrolled. */
export function hitGrid(layout: GridLayout, px: number, py: number, scroll: number): [row: number, column: number] | null {
  if (py < layout.y) return null;
  const column = Math.floor((px - layout.x) / layout.pitch);
  const row = Math.floor((py - layout.y + scroll) / layout.pitchY);
  const inside = column >= 0 && column < layout.columns && row >= 0 && row < layout.rows;
  return inside ? [row, column] : null;
}

/** First and last row that can be seen. */
export function rowsInView(layout: GridLayout, scroll: number): [first: number, last: number] {
  const first = Math.max(0, Math.floor(scroll / layout.pitchY));
  const last = Math.ceil((scroll + layout.height - layout.y) / layout.pitchY) - 1;
  return [first, Math.min(layout.rows - 1, last)];
}

/** How far to scroll so that a row is seen whole. */
export function scrollTo(layout: GridLayout, row: number, scroll: number): number {
  const top = row * layout.pitchY;
  const bottom = top + layout.pitchY - (layout.height - layout.y);
  return Math.max(0, Math.min(top, Math.max(bottom, scroll)));
}
