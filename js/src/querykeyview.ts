/** One view of a query and key panel: a pair, its arithmetic and its row follow from the traits. */

import type { AnyModel } from "@anywidget/types";
import { css, diverging } from "./colours.ts";
import { Stepper, Toggle } from "./controls.ts";
import { h, say } from "./dom.ts";
import { Frame } from "./frame.ts";
import { hitLane, Lanes } from "./lanes.ts";
import { headName } from "./model.ts";
import { within } from "./projector.ts";
import { dimension, keyText, lanesOf, sentence, type Step, steps } from "./querykeyreadout.ts";
import { pairShowing } from "./querykeyshowing.ts";
import { makeTables } from "./querykeytable.ts";
import { RowBars } from "./rowbars.ts";
import { type Action, click, perform } from "./selection.ts";
import { type Axes, axesOf, goTo, nextHead, readState, saveState, type State, TRAITS } from "./state.ts";
import { quoted } from "./text.ts";
import type { Showing } from "./tools.ts";
import { order, type Pair } from "./vectors.ts";
import { type PairModel, Pairs, type Wanted } from "./vectorsource.ts";

const HELP =
  "Query, key and weight. Left and right arrow keys step heads, up and down layers; Home and End go to the first and last " +
  "head; with Shift they move the key and the row; page keys move ten rows; Escape lets go; Space plays.";
const READING =
  "Query and key meet dimension by dimension; their terms add up to the score, and the softmax over the row's scores gives the weight. " +
  "Each vector is coloured by its own largest number.";

export class QueryKeyView {
  readonly #model: AnyModel<PairModel>;
  readonly #frame: Frame;
  readonly #pairs: Pairs;
  readonly #lanes = new Lanes();
  readonly #bars = new RowBars();
  readonly #steps = h("ol", { class: "attn-querykey-steps" });
  readonly #reason = h("p", { class: "attn-note", hidden: true });
  readonly #steppers: Record<"layer" | "head" | "query" | "key" | "moment", Stepper>;
  readonly #sorted: Toggle;
  readonly #reading = h("p", { class: "attn-reading" }, READING);
  readonly #signed = h("div", { class: "attn-scale", role: "img", "aria-label": "colour scale of vectors and scores, from minus to plus the largest number" });
  readonly #scale = h("span", { class: "attn-scale-bar" });
  #pair: Pair | null = null;
  #order: number[] = [];
  #tabled: { pair: Pair; sorted: boolean } | null = null;
  #dim: number | null = null;
  #byWeight = false;

  constructor(model: AnyModel<PairModel>, signal: AbortSignal) {
    this.#model = model;
    this.#frame = new Frame(model, TRAITS, this.#bars.canvas, { what: "query and key of a weight", help: HELP }, {
      draw: () => this.#update(),
      showing: () => this.#showing(),
      advance: () => this.#set(nextHead(this.#pairs.spec, this.#state)),
      act: (wish) => this.#act(wish),
      point: (event) => this.#point(event),
    }, signal);
    this.#pairs = new Pairs(model, signal, this.#frame.soon, this.#frame.fail);
    this.#steppers = {
      layer: new Stepper("Layer", signal, (layer) => this.#step({ layer })),
      head: new Stepper("Head", signal, (head) => this.#step({ head, mean: false })),
      query: new Stepper("Row", signal, (query) => this.#set({ query, locked: true })),
      key: new Stepper("Key", signal, (key) => this.#pick(key)),
      moment: new Stepper("Step", signal, (moment) => this.#step({ moment })),
    };
    this.#sorted = new Toggle("Sort by weight", signal, (on) => this.#sort(on));
    this.#assemble();
    this.#bars.canvas.addEventListener("click", (event) => {
      this.#frame.shell.figure.focus({ preventScroll: true });
      const key = this.#bars.hit(event);
      if (key !== null) this.#pick(key);
    }, { signal });
  }

  get node(): HTMLElement {
    return this.#frame.shell.root;
  }

  get #state(): State {
    return readState(this.#model);
  }

  #assemble(): void {
    const { controls, figure, legend, side } = this.#frame.shell;
    const { layer, head, query, key, moment } = this.#steppers;
    controls.append(layer.node, head.node, query.node, key.node, this.#frame.play.node, this.#sorted.node, moment.node);
    moment.node.classList.add("attn-time");
    for (const { canvas } of [this.#lanes, this.#bars]) canvas.setAttribute("role", "img");
    figure.append(this.#lanes.canvas, this.#reason, this.#steps, this.#bars.canvas);
    side.hidden = true;
    const ticks = ["− largest", "0", "+ largest"].map((tick) => h("span", {}, tick));
    this.#signed.append(this.#scale, h("span", { class: "attn-ticks" }, ...ticks));
    this.#frame.legend.keys.prepend(this.#signed);
    legend.append(this.#frame.legend.keys, this.#reading);
  }

  #set(patch: Partial<State>): void {
    this.#frame.fail("");
    this.#pairs.retry();
    saveState(this.#model, sharedOf(patch));
    this.#frame.soon();
  }

  #step(patch: Partial<State>): void {
    this.#frame.playing(false);
    this.#set(goTo(this.#pairs.spec, this.#state, patch));
  }

  #pick(key: number): void {
    const state = this.#state;
    this.#set(click({ ...state, locked: false }, this.#row(state), key));
  }

  /** A panel has a trait for it; where there is none, the view remembers. */
  #sort(on: boolean): void {
    this.#byWeight = on;
    this.#model.set("by_weight", on);
    this.#model.save_changes();
    this.#frame.soon();
  }

  get #isSorted(): boolean {
    return this.#model.get("by_weight") ?? this.#byWeight;
  }

  #row(state: State): number {
    return state.query ?? axesOf(this.#pairs.spec, state).rows.length - 1;
  }

  #wanted(state: State): Wanted {
    return { moment: state.moment, layer: state.layer, head: state.head, query: this.#row(state), key: state.key };
  }

  #update(): void {
    const state = this.#state;
    const axes = axesOf(this.#pairs.spec, state);
    const wanted = this.#wanted(state);
    const pair = this.#pairs.get(wanted, state);
    this.#pair = pair;
    if (pair) {
      this.#order = order(pair, this.#isSorted);
      this.#draw(pair, axes);
      this.#ahead(wanted, pair, state, axes);
    }
    const { figure, table } = this.#frame.shell;
    figure.dataset["waiting"] = String(!pair);
    this.#showControls(state, axes, pair);
    this.#showWords(state, axes, pair);
    if (table.node.getAttribute("aria-pressed") === "true") this.#fillTable(state, axes);
  }

  #draw(pair: Pair, { rows, columns }: Axes): void {
    const { size: [width, ratio], theme } = this.#frame;
    const [query, key] = [rows[pair.query] ?? "", columns[pair.key] ?? ""];
    this.#lanes.draw(lanesOf(pair, query, key), width, theme, ratio, this.#dim);
    this.#bars.draw(pair, this.#order, pair.key, columns, `row ${quoted(query)}`, width, theme, ratio);
    this.#steps.replaceChildren(...steps(pair).map(stepNode));
    say(this.#reason, pair.reason);
    this.#reason.hidden = !pair.reason;
    this.#signed.hidden = this.#reading.hidden = !pair.q;
  }

  /** What is copied and saved; null while it is not here. */
  #showing(): Showing | null {
    const state = this.#state;
    if (!this.#pair) return null;
    return pairShowing(this.#pairs.spec, state, this.#pair, this.#order, axesOf(this.#pairs.spec, state), this.#lanes, this.#bars, this.#frame.theme);
  }

  /** What is one step away is asked for before it is wanted. */
  #ahead(wanted: Wanted, pair: Pair, state: State, { block, rows, columns }: Axes): void {
    const near: Wanted[] = [];
    for (const by of [1, -1]) {
      if (pair.key + by >= 0 && pair.key + by < columns.length) near.push({ ...wanted, key: pair.key + by });
      if (wanted.query + by >= 0 && wanted.query + by < rows.length) near.push({ ...wanted, query: wanted.query + by });
      if (wanted.head + by >= 0 && wanted.head + by < block.heads) near.push({ ...wanted, head: wanted.head + by });
    }
    this.#pairs.prefetch(near, state);
  }

  #showControls(state: State, axes: Axes, pair: Pair | null): void {
    const { layer, head, query, key, moment } = this.#steppers;
    const row = this.#row(state);
    const column = pair?.key ?? state.key ?? 0;
    layer.set(state.layer, axes.frame.blocks.length, String(state.layer));
    head.set(state.head, axes.block.heads, String(state.head));
    query.set(row, axes.rows.length, String(row));
    key.set(column, axes.columns.length, String(column));
    this.#frame.show(this.#pairs.spec, state, axes, moment);
    this.#sorted.set(this.#isSorted);
  }

  #showWords(state: State, axes: Axes, pair: Pair | null): void {
    const { shell, legend, theme } = this.#frame;
    const { spec } = this.#pairs;
    const name = headName(state.layer, state.head);
    const shown = sentence(state, pair, axes, this.#pairs.waits ? "waiting for the kernel…" : "not here");
    say(shell.name, name);
    shell.tell(shown.slice(name.length + 2));
    shell.note([spec.note, state.mean ? `The mean over heads has no vectors; this is ${name}.` : ""].filter(Boolean).join(" "));
    const way = pair ? steps(pair).map((step) => `${step.name} ${step.text}`).join(", ") : "";
    this.#lanes.canvas.setAttribute("aria-label", `${name}: query, key and their terms. ${way}`);
    this.#bars.canvas.setAttribute("aria-label", `${name}: score and weight of ${axes.columns.length} keys. ${shown}`);
    legend.set(theme, "A row is the reading position, a column is what it looks at.", null);
    const stops = diverging[theme.mode].filter((_, i) => i % 15 === 0).map(css);
    this.#scale.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  }

  #fillTable(state: State, { rows, columns }: Axes): void {
    const sorted = this.#isSorted;
    if (!this.#pair || (this.#tabled?.pair === this.#pair && this.#tabled.sorted === sorted)) return;
    this.#tabled = { pair: this.#pair, sorted };
    this.#frame.shell.tableBox.replaceChildren(...makeTables(headName(state.layer, state.head), this.#pair, this.#order, rows, columns));
  }

  #hover(dim: number | null): void {
    if (dim === this.#dim) return;
    this.#dim = dim;
    this.#frame.soon();
  }

  #point(event: PointerEvent | null): void {
    if (!event) return this.#hover(null);
    const pair = this.#pair;
    if (!pair) return;
    const { x, y } = within(this.#lanes.canvas, event);
    const { layout } = this.#lanes;
    const over = event.target === this.#lanes.canvas && layout ? hitLane(layout, x, y) : null;
    this.#hover(over?.dim ?? null);
    const key = event.target === this.#bars.canvas ? this.#bars.hit(event) : null;
    const { columns } = axesOf(this.#pairs.spec, this.#state);
    this.#frame.tip(event, over ? dimension(pair, over.dim) : key === null ? "" : keyText(pair, key, columns[key] ?? ""));
  }

  #act(wish: Action): void {
    const state = this.#state;
    const shown = { row: this.#row(state), key: this.#pair?.key ?? 0 };
    // Keys stand in the order on show; the first move starts from the one that is marked.
    if (wish.do === "key") return this.#pick(this.#order[Math.min(this.#order.length - 1, Math.max(0, this.#order.indexOf(shown.key) + wish.by))] ?? shown.key);
    const from = wish.do === "query" ? { ...state, query: shown.row } : state;
    const { rows, columns } = axesOf(this.#pairs.spec, state);
    const patch = perform(wish, this.#pairs.spec, state, from, { ...shown, rows: rows.length, columns: columns.length });
    if ("query" in patch || "locked" in patch) this.#set(patch);
    else this.#step(patch);
  }
}

/** Every panel on a trace has these traits; some patches hold traits of the head panel alone, which a kernel would refuse. */
function sharedOf({ moment, layer, head, query, key, mean, locked }: Partial<State>): Partial<State> {
  const shared = { moment, layer, head, query, key, mean, locked };
  return Object.fromEntries(Object.entries(shared).filter(([, value]) => value !== undefined));
}

function stepNode({ op, name, text, exact }: Step): HTMLElement {
  const value = h("b");
  value.textContent = text;
  const node = h("li", { "data-step": name }, ...(op ? [h("i", {}, op)] : []), h("span", {}, h("small", {}, name), value));
  if (exact !== null) node.title = String(exact);
  return node;
}
