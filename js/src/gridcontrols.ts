/** The controls of the grid: what colours and sorts it, where it stands, and how far it has come. */

import { Stepper } from "./controls.ts";
import type { Metric } from "./griddata.ts";
import { Pick, Progress } from "./gridparts.ts";
import type { Axes, State } from "./state.ts";
import { shorten } from "./text.ts";

export const FOUND: Metric = { name: "found", title: "weight on a cell", about: "the head's weight on the chosen cell", share: true };

/** What the person asks for with a control. */
export interface GridWishes {
  metric: (to: string) => void;
  order: (to: string) => void;
  moment: (to: number) => void;
  query: (to: number) => void;
  key: (to: number) => void;
  stop: (on: boolean) => void;
}

export class GridControls {
  readonly nodes: HTMLElement[];
  #colour: Pick;
  #sort: Pick;
  #moment: Stepper;
  #query: Stepper;
  #key: Stepper;
  #progress: Progress;

  constructor(metrics: Metric[], wishes: GridWishes, signal: AbortSignal) {
    const names = [...metrics, FOUND].map(({ name, title }): [string, string] => [name, title]);
    this.#colour = new Pick("Colour", [["weights", "weights"], ...names], signal, wishes.metric);
    this.#sort = new Pick("Sort", [["layer", "by layer"], ...names.map(([name, title]): [string, string] => [name, `by ${title}`])], signal, wishes.order);
    this.#moment = new Stepper("Step", signal, wishes.moment);
    this.#query = new Stepper("Row", signal, wishes.query);
    this.#key = new Stepper("Column", signal, wishes.key);
    this.#progress = new Progress(signal, wishes.stop);
    this.nodes = [this.#colour, this.#sort, this.#moment, this.#query, this.#key, this.#progress].map((part) => part.node);
  }

  set(metric: string, order: string, state: State, axes: Axes, frames: number): void {
    this.#colour.set(metric);
    this.#sort.set(order);
    this.#moment.node.hidden = frames < 2;
    this.#moment.set(state.moment, frames, axes.frame.step === null ? "now" : String(axes.frame.step));
    const finds = metric === "found" || order === "found";
    this.#query.node.hidden = this.#key.node.hidden = !finds;
    const name = (at: number | null, tokens: string[]): string => (at === null ? "none" : shorten(tokens[at] ?? "", 16));
    this.#query.set(state.query ?? 0, axes.rows.length, name(state.query, axes.rows));
    this.#key.set(state.key ?? 0, axes.columns.length, name(state.key, axes.columns));
  }

  /** Layers that have come, of all; hidden when nothing is to come. */
  came(done: number, all: number, stopped: boolean, live: boolean): void {
    this.#progress.set(done, all, stopped, live && done < all);
  }
}
