/** What of a large matrix is in sight: zooming about a point, moving, and following a row. Pure. */

import type { Window } from "./figure.ts";
import { clamp } from "./geometry.ts";

/** Fewest rows or columns in sight. */
const CLOSEST = 8;

/** All of it, or only so many of the last rows. */
export function wholeWindow(rows: number, columns: number, last = 0): Window {
  const shown = last > 0 ? Math.min(last, rows) : rows;
  return { row: rows - shown, column: 0, rows: shown, columns };
}

export const isWhole = (window: Window, rows: number, columns: number): boolean => window.rows >= rows && window.columns >= columns;

/** Closer (factor < 1) or farther, with the cell at a point kept where it is. */
export function zoom(window: Window, factor: number, at: { row: number; column: number }, rows: number, columns: number): Window {
  const size = (now: number, most: number): number => Math.round(clamp(now * factor, Math.min(CLOSEST, most), most));
  const shown = { rows: size(window.rows, rows), columns: size(window.columns, columns) };
  const first = (start: number, before: number, after: number, fixed: number, most: number): number =>
    clamp(Math.round(fixed - ((fixed - start) / Math.max(1, before)) * after), 0, most - after);
  return {
    ...shown,
    row: first(window.row, window.rows, shown.rows, at.row, rows),
    column: first(window.column, window.columns, shown.columns, at.column, columns),
  };
}

/** Move by rows and columns. */
export function pan(window: Window, byRows: number, byColumns: number, rows: number, columns: number): Window {
  return {
    ...window,
    row: clamp(Math.round(window.row + byRows), 0, rows - window.rows),
    column: clamp(Math.round(window.column + byColumns), 0, columns - window.columns),
  };
}

/** Moved as little as brings a row and a column into sight. */
export function follow(window: Window, row: number | null, column: number | null): Window {
  const into = (start: number, size: number, place: number | null): number =>
    place === null ? start : place < start ? place : place >= start + size ? place - size + 1 : start;
  return { ...window, row: into(window.row, window.rows, row), column: into(window.column, window.columns, column) };
}
