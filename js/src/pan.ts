/** Zooming and moving with wheel and pointer: keeps the window of one view. */

import type { Figure, Window } from "./figure.ts";
import { follow, isWhole, pan, wholeWindow, zoom } from "./zoom.ts";

const FASTER = 1.3;

export class Pan {
  window: Window = { row: 0, column: 0, rows: 1, columns: 1 };
  /** Whether the pointer moved the picture since it was pressed: then its click is none. */
  moved = false;
  #figure: Pick<Figure, "layout" | "place">;
  #changed: () => void;
  #size = { rows: 0, columns: 0, last: -1 };
  #grip: { x: number; y: number; window: Window } | null = null;

  constructor(figure: Pick<Figure, "layout" | "place">, box: HTMLElement, signal: AbortSignal, changed: () => void) {
    this.#figure = figure;
    this.#changed = changed;
    box.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    box.addEventListener("pointerdown", (event) => this.#press(event), { signal });
    box.addEventListener("pointermove", (event) => this.#drag(event), { signal });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => (this.#grip = null), { signal });
  }

  get whole(): boolean {
    return isWhole(this.window, this.#size.rows, this.#size.columns);
  }

  /** Fit to a matrix; a new size starts with all of it, or its last rows. */
  fit(rows: number, columns: number, last: number): void {
    if (rows === this.#size.rows && columns === this.#size.columns && last === this.#size.last) return;
    this.#size = { rows, columns, last };
    this.window = wholeWindow(rows, columns, last);
  }

  /** Bring a place into sight. */
  show(row: number | null, column: number | null): void {
    this.window = follow(this.window, row, column);
  }

  /** Zoom about a place, or about the middle. */
  zoom(factor: number, at?: { row: number; column: number }): void {
    const { row, column, rows, columns } = this.window;
    this.#set(zoom(this.window, factor, at ?? { row: row + rows / 2, column: column + columns / 2 }, this.#size.rows, this.#size.columns));
  }

  reset(): void {
    this.#set(wholeWindow(this.#size.rows, this.#size.columns, Math.max(0, this.#size.last)));
  }

  #set(window: Window): void {
    this.window = window;
    this.#changed();
  }

  /** The page scrolls with the wheel; with Control (or a pinch) the picture zooms, zoomed in it moves with Shift. */
  #wheel(event: WheelEvent): void {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? FASTER : 1 / FASTER, this.#figure.place(event));
  }

  #press(event: PointerEvent): void {
    this.moved = false;
    if (event.button === 0 && !this.whole) this.#grip = { x: event.clientX, y: event.clientY, window: this.window };
  }

  #drag(event: PointerEvent): void {
    const { layout } = this.#figure;
    if (!this.#grip || !layout || !(event.buttons & 1)) return;
    const byColumns = (this.#grip.x - event.clientX) / layout.cellWidth;
    const byRows = (this.#grip.y - event.clientY) / layout.cellHeight;
    if (Math.hypot(this.#grip.x - event.clientX, this.#grip.y - event.clientY) > 4) this.moved = true;
    if (this.moved) this.#set(pan(this.#grip.window, byRows, byColumns, this.#size.rows, this.#size.columns));
  }
}
