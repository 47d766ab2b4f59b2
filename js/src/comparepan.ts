/** Zooming and moving the three matrices of a comparison: one window for all of them. */

import type { Matrix } from "./comparefigure.ts";
import type { Axis } from "./comparemodel.ts";
import type { Figure, Window } from "./figure.ts";
import { Pan } from "./pan.ts";
import type { Action } from "./selection.ts";

export class ComparePan {
  readonly #pan: Pan;
  #pointed: Matrix;
  #followed = "";

  constructor(matrices: readonly [Matrix, ...Matrix[]], box: HTMLElement, signal: AbortSignal, changed: () => void) {
    this.#pointed = matrices[0];
    for (const matrix of matrices) {
      // These come before those of the box.
      for (const event of ["pointerdown", "wheel"]) matrix.canvas.addEventListener(event, () => (this.#pointed = matrix), { signal, passive: true });
    }
    const layout = () => this.#pointed.shown?.layout ?? null;
    const place = (event: MouseEvent) => this.#pointed.place(event);
    const figure: Pick<Figure, "layout" | "place"> = {
      get layout() {
        return layout();
      },
      place,
    };
    this.#pan = new Pan(figure, box, signal, changed);
  }

  get window(): Window {
    return this.#pan.window;
  }

  /** Whether the pointer moved the picture since it was pressed: then its click is none. */
  get moved(): boolean {
    return this.#pan.moved;
  }

  /** Fit to a matrix, and bring what was selected into sight, once: then one may look elsewhere. */
  fit(rows: Axis, columns: Axis, query: number | null, key: number | null): void {
    this.#pan.fit(rows.labels.length, columns.labels.length, 0);
    const now = `${query} ${key}`;
    if (now !== this.#followed) this.#pan.show(query, key);
    this.#followed = now;
  }

  /** Zoom about what is selected, where something is; false where the wish is another one. */
  act(wish: Action, query: number | null, key: number | null): boolean {
    if (wish.do === "whole") this.#pan.reset();
    else if (wish.do === "closer" || wish.do === "farther") {
      const { column, columns } = this.window;
      this.#pan.zoom(wish.do === "closer" ? 1 / 1.5 : 1.5, query === null ? undefined : { row: query, column: key ?? column + columns / 2 });
    } else return false;
    return true;
  }

  /** What is in sight, where it is not all. */
  words(rows: Axis, columns: Axis): string {
    if (this.#pan.whole) return "";
    const { row, column, rows: down, columns: across } = this.window;
    const all = `${rows.labels.length} by ${columns.labels.length}`;
    return ` Rows ${row} to ${row + down - 1}, columns ${column} to ${column + across - 1} of ${all}; 0 shows all.`;
  }
}
