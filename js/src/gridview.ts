/** One view of a grid of heads: what is shown follows from the traits, what is pointed at, and the layers that came. */

import type { AnyModel } from "@anywidget/types";
import { FOUND, GridControls } from "./gridcontrols.ts";
import { type GridModel, type Layer, type Metric, readFound, readMetric, type Reading, scaleEnd } from "./griddata.ts";
import { GridFigure, type GridPicture } from "./gridfigure.ts";
import { flowColumns, type GridLayout, hitGrid, layOutGrid, rowsInView, scrollTo } from "./gridlayout.ts";
import { byLayer, byValue, groupsOf, locate, nextPlace, type Place, steer } from "./gridorder.ts";
import { GridLegend } from "./gridparts.ts";
import { GridSource } from "./gridsource.ts";
import { cellSize, gridTable, legendStates, reading, readingText, sayHead, tick, tipText } from "./gridwords.ts";
import { say } from "./dom.ts";
import { headName } from "./model.ts";
import { Player } from "./player.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { action, move, NOTHING } from "./selection.ts";
import { Shell } from "./shell.ts";
import { axesOf, goTo, readState, type State, TRAITS } from "./state.ts";
import { quoted } from "./text.ts";
import { readTheme, type Theme } from "./theme.ts";

const HELP =
  "Grid of attention heads. Arrow keys move over the heads, Home and End to the ends of a row, page keys by a page; " +
  "with Shift the arrows move the row and the column whose weight is looked for; Escape lets go of them; Space plays.";
const TALLEST = 640;

export class GridView {
  readonly #model: AnyModel<GridModel>;
  readonly #source: GridSource;
  readonly #shell: Shell;
  readonly #figure = new GridFigure();
  readonly #legend = new GridLegend();
  readonly #controls: GridControls;
  readonly #player: Player;
  readonly #redraw: Redraw;
  #theme: Theme | null = null;
  #layout: GridLayout | null = null;
  #rows: Place[][] = [];
  #hover: Place | null = null;
  #seen = "";
  #tabled = "";
  #arranged = "";

  constructor(model: AnyModel<GridModel>, signal: AbortSignal) {
    this.#model = model;
    this.#shell = new Shell("grid of heads", HELP, signal, () => this.#redraw.soon());
    this.#source = new GridSource(model, signal, () => this.#redraw.soon(), (reason) => this.#shell.fail(reason));
    this.#controls = new GridControls(
      this.#source.spec.grid.metrics,
      {
        metric: (to) => this.#choose("metric", to),
        order: (to) => this.#choose("order", to),
        moment: (moment) => this.#set(goTo(this.#source.spec, this.#state, { moment })),
        query: (query) => this.#set({ query, locked: true }),
        key: (key) => this.#set({ key }),
        stop: (on) => this.#stop(on),
      },
      signal,
    );
    this.#player = new Player(signal, () => this.#go(nextPlace(this.#rows, [this.#state.layer, this.#state.head])));
    this.#assemble();
    const { root, figure } = this.#shell;
    const traits = [...TRAITS, "metric", "order"];
    this.#redraw = new Redraw(model, traits, [root, this.#figure.canvas], signal, () => this.#update(), () => {
      this.#theme = null;
    });
    root.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    figure.addEventListener("scroll", () => this.#redraw.soon(), { signal, passive: true });
    figure.addEventListener("pointermove", (event) => this.#point(event), { signal });
    figure.addEventListener("pointerleave", () => this.#unpoint(), { signal });
    this.#figure.canvas.addEventListener("click", (event) => this.#click(event), { signal });
  }

  get node(): HTMLElement {
    return this.#shell.root;
  }

  get #state(): State {
    return readState(this.#model);
  }

  #assemble(): void {
    const shell = this.#shell;
    this.#figure.canvas.setAttribute("role", "img");
    this.#figure.canvas.classList.add("attn-grid-canvas");
    shell.figure.classList.add("attn-grid-figure");
    const space = document.createElement("div");
    space.append(this.#figure.canvas);
    shell.figure.append(space);
    shell.body.classList.add("attn-grid-body");
    shell.side.remove();
    shell.table.node.classList.add("attn-last");
    this.#legend.keys.append(shell.table.node);
    shell.legend.append(this.#legend.keys, this.#legend.reading);
    shell.controls.append(...this.#controls.nodes);
  }

  #set(patch: Partial<State>): void {
    this.#shell.fail("");
    const set = <K extends (typeof TRAITS)[number]>(name: K): void => {
      const value = patch[name];
      // A head panel's own traits are there only where both share a model.
      if (value !== undefined && this.#model.get(name) !== undefined) this.#model.set(name, value as GridModel[K]);
    };
    TRAITS.forEach(set);
    this.#model.save_changes();
    this.#redraw.soon();
  }

  #choose(trait: "metric" | "order", to: string): void {
    this.#shell.fail("");
    this.#model.set(trait, to);
    this.#model.save_changes();
    this.#redraw.soon();
  }

  #stop(on: boolean): void {
    this.#shell.fail("");
    this.#source.stop(on);
    this.#redraw.soon();
  }

  #go(to: Place | null): void {
    if (to) this.#set({ ...goTo(this.#source.spec, this.#state, { layer: to[0] }), head: to[1], mean: false });
  }

  /** Metric of a name; none for weights, and for the order of the layers. */
  #metric(name: string): Metric | null {
    return name === "found" ? FOUND : (this.#source.spec.grid.metrics.find((metric) => metric.name === name) ?? null);
  }

  #read(name: string, state: State): (layer: number, head: number) => Reading {
    const index = this.#source.spec.grid.metrics.findIndex((metric) => metric.name === name);
    if (name !== "found") return (layer, head) => readMetric(this.#source.layer(state.moment, layer), head, index);
    if (state.query === null || state.key === null) return () => ({ missing: "not here" });
    return (layer, head) => readFound(this.#source.found(layer), head, this.#source.alike(state.moment, layer, state.layer));
  }

  #update(): void {
    const state = this.#state;
    const order = this.#model.get("order");
    const name = this.#model.get("metric");
    const { blocks } = axesOf(this.#source.spec, state).frame;
    this.#theme ??= readTheme(this.#shell.root, this.#shell.probe);
    this.#follow(state, name, order);
    const sorted = this.#metric(order);
    const width = innerWidth(this.#shell.root) - 12;
    const heads = blocks.map((block) => block.heads);
    const columns = sorted ? flowColumns(heads.reduce((sum, n) => sum + n, 0), width, TALLEST) : Math.max(...heads);
    this.#arrange(state, order, columns);
    const picture = this.#picture(state, name, !sorted);
    this.#draw(picture, columns, width, this.#theme);
    this.#show(state, name, picture, this.#theme);
  }

  /** Put the heads in order; again only when something came that may change it. */
  #arrange(state: State, order: string, columns: number): void {
    const { blocks } = axesOf(this.#source.spec, state).frame;
    const cell = order === "found" ? [state.query, state.key, state.layer, blocks.map((_, layer) => Number(Boolean(this.#source.found(layer)))).join("")] : [];
    const key = [order, columns, state.moment, ...blocks.map((_, layer) => this.#source.layer(state.moment, layer)?.version), ...cell].join();
    if (key === this.#arranged) return;
    this.#arranged = key;
    this.#rows = this.#metric(order) ? byValue(blocks, columns, this.#read(order, state)) : byLayer(blocks);
  }

  /** Ask for what is in view first. */
  #follow(state: State, name: string, order: string): void {
    const wants = (name === "found" || order === "found") && state.query !== null && state.key !== null;
    const found = wants ? { layer: state.layer, query: state.query ?? 0, key: state.key ?? 0 } : null;
    const view = this.#layout && order === "layer" ? rowsInView(this.#layout, this.#shell.figure.scrollTop) : [0, -1];
    const [first = 0, last = -1] = view;
    this.#source.follow({ moment: state.moment, first: [state.layer, ...Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)], found });
  }

  #picture(state: State, name: string, inLayers: boolean): GridPicture {
    const { moment } = state;
    const sizes = this.#source.spec.grid.layers[moment] ?? [];
    const blocks = this.#source.spec.frames[moment]?.blocks ?? [];
    const groups = (layer: number): [number, number][] => groupsOf(blocks[layer]?.heads ?? 0, sizes[layer]?.groups ?? 0);
    const same = blocks.every((block, layer) => block.heads === blocks[0]?.heads && sizes[layer]?.groups === sizes[0]?.groups);
    const metric = this.#metric(name);
    const read = metric && this.#read(name, state);
    return {
      rows: this.#rows,
      layer: state.layer,
      head: state.mean ? null : state.head,
      hover: this.#hover,
      read,
      end: read && metric ? scaleEnd(metric.share, this.#rows.flat().map((place) => read(...place))) : 1,
      layerOf: (layer): Layer | undefined => this.#source.layer(moment, layer),
      brackets: same && inLayers ? groups(0) : [],
      rowBrackets: (layer) => (same ? [] : groups(layer)),
      byLayer: inLayers,
      key: [name, moment, ...(name === "found" ? [state.query, state.key, this.#rows.map(([place]) => Number(Boolean(place && this.#source.found(place[0])))).join("")] : [])].join(),
    };
  }

  #draw(picture: GridPicture, columns: number, width: number, theme: Theme): void {
    const { figure } = this.#shell;
    const ratio = window.devicePixelRatio || 1;
    const anywhere = picture.rows.some((_, layer) => picture.rowBrackets(layer).length > 0);
    const layout = layOutGrid({
      width,
      tallest: TALLEST,
      rows: picture.rows.length,
      columns,
      label: picture.byLayer ? 8 + 7 * String(picture.rows.length - 1).length : 0,
      brackets: !picture.byLayer ? "none" : picture.brackets.length ? "above" : anywhere ? "rows" : "none",
      named: !picture.byLayer,
      ratio,
    });
    this.#layout = layout;
    const space = figure.firstElementChild;
    if (space instanceof HTMLElement) space.style.height = `${layout.whole}px`;
    figure.style.maxHeight = `${layout.height}px`;
    const here = [picture.layer, picture.head, picture.byLayer, layout.pitchY].join();
    if (here !== this.#seen) {
      this.#seen = here;
      figure.scrollTop = scrollTo(layout, locate(picture.rows, picture.layer, picture.head ?? 0)[0], figure.scrollTop);
    }
    this.#figure.draw(picture, layout, theme, ratio, figure.scrollTop);
  }

  #show(state: State, name: string, picture: GridPicture, theme: Theme): void {
    const { spec } = this.#source;
    const axes = axesOf(spec, state);
    const shell = this.#shell;
    const metric = this.#metric(name);
    const what = this.#what(state, metric);
    say(shell.name, "All heads");
    say(shell.text, spec.title);
    this.#controls.set(name, this.#model.get("order"), state, axes, spec.frames.length);
    const { done, all } = this.#source.progress;
    this.#controls.came(done, all, this.#source.stopped, spec.live);
    const at: Place = this.#hover ?? [state.layer, state.head];
    const shown = metric === FOUND && what === FOUND.title ? "choose a row and a column to find the heads that connect them" : sayHead(at, this.#place(picture, at), what, state.mean && !this.#hover, spec.grid.metrics, this.#source.layer(state.moment, at[0]), picture.read);
    shell.tell(shown, this.#hover === null);
    const shape = picture.byLayer ? `${picture.rows.length} layers, a layer a row` : `sorted by ${this.#metric(this.#model.get("order"))?.title}`;
    this.#figure.canvas.setAttribute("aria-label", `${what} of ${picture.rows.flat().length} heads, ${shape}. ${shown}`);
    shell.note(spec.note);
    const layers = axes.frame.blocks.map((_, layer) => this.#source.layer(state.moment, layer));
    const { dotted, joined } = cellSize(spec.grid.layers[state.moment] ?? [], this.#layout?.side ?? 1, window.devicePixelRatio || 1);
    const states = legendStates(layers, picture, dotted);
    this.#legend.set(theme, what, ["0", tick(picture.end / 2), tick(picture.end)], states, reading(metric, picture.byLayer, joined, what));
    shell.table.set(!shell.tableBox.hidden);
    if (!shell.tableBox.hidden) this.#fillTable(state);
  }

  /** What colours the heads, in words. */
  #what(state: State, metric: Metric | null): string {
    if (metric !== FOUND || state.query === null || state.key === null) return metric?.title ?? "weights";
    const { rows, columns } = axesOf(this.#source.spec, state);
    return `weight of ${quoted(rows[state.query] ?? "")} on ${quoted(columns[state.key] ?? "")}`;
  }

  /** Where a head stands among those that have a number, when they are sorted. */
  #place(picture: GridPicture, at: Place): string {
    if (picture.byLayer) return "";
    const all = picture.rows.flat();
    const number = all.findIndex((place) => place[0] === at[0] && place[1] === at[1]) + 1;
    return `no. ${number} of ${all.length} by ${this.#metric(this.#model.get("order"))?.title}`;
  }

  #fillTable(state: State): void {
    const { grid } = this.#source.spec;
    const found = this.#model.get("metric") === "found" ? this.#read("found", state) : null;
    const layers = (layer: number): Layer | undefined => this.#source.layer(state.moment, layer);
    const key = [state.moment, ...this.#rows.flat(2), ...this.#rows.map((_, n) => layers(n)?.version), found && [state.query, state.key], this.#source.progress.done].join();
    if (key === this.#tabled) return;
    this.#tabled = key;
    this.#shell.tableBox.replaceChildren(gridTable(this.#rows.flat(), grid.metrics, layers, found));
  }

  #at(event: MouseEvent): Place | null {
    if (!this.#layout) return null;
    const box = this.#figure.canvas.getBoundingClientRect();
    const hit = hitGrid(this.#layout, event.clientX - box.left, event.clientY - box.top, this.#shell.figure.scrollTop);
    return hit && (this.#rows[hit[0]]?.[hit[1]] ?? null);
  }

  #point(event: PointerEvent): void {
    const at = this.#at(event);
    if (at?.join() !== this.#hover?.join()) {
      this.#hover = at;
      this.#redraw.soon();
    }
    const { tip, root } = this.#shell;
    tip.hidden = !at;
    if (!at) return;
    const state = this.#state;
    const name = this.#model.get("metric");
    const metric = this.#metric(name);
    const groups = this.#source.spec.grid.layers[state.moment]?.[at[0]]?.groups ?? 0;
    const heads = this.#source.spec.frames[state.moment]?.blocks[at[0]]?.heads ?? 0;
    const shared = groups < heads ? `key/value head ${Math.floor((at[1] * groups) / heads)}` : "";
    const text = metric
      ? [`${headName(...at)}  ${this.#what(state, metric)} ${readingText(this.#read(name, state)(...at), true)}`, shared]
      : [tipText(at, this.#source.spec.grid.metrics, this.#source.layer(state.moment, at[0])), shared];
    say(tip, text.filter(Boolean).join(" · "));
    const box = root.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${event.clientY - box.top + 18}px`;
  }

  #unpoint(): void {
    this.#hover = null;
    this.#shell.tip.hidden = true;
    this.#redraw.soon();
  }

  #click(event: MouseEvent): void {
    this.#shell.figure.focus({ preventScroll: true });
    this.#player.set(false);
    this.#go(this.#at(event));
  }

  #keydown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // The host's shortcuts must not take keys meant for the panel (an x would cut the cell).
    event.stopPropagation();
    const { target } = event;
    if ((target instanceof HTMLInputElement || target instanceof HTMLSelectElement) && event.key !== "Escape") return;
    if (target instanceof HTMLButtonElement && (event.key === " " || event.key === "Enter")) return;
    if (this.#shell.tableBox.contains(target as Node)) return;
    if (this.#act(event)) event.preventDefault();
  }

  #act(event: KeyboardEvent): boolean {
    const state = this.#state;
    const wish = action(event.key, event.shiftKey);
    if (wish?.do === "play") this.#player.set(!this.#player.on);
    else if (wish?.do === "unlock") this.#set(NOTHING);
    else if (wish && event.shiftKey && (wish.do === "query" || wish.do === "key")) {
      const { rows, columns } = axesOf(this.#source.spec, state);
      this.#set(move(state, wish.do, wish.by, wish.do === "query" ? rows.length : columns.length, 0));
    } else {
      const page = this.#layout ? Math.max(1, Math.floor((this.#layout.height - this.#layout.y) / this.#layout.pitchY)) : 1;
      const to = steer(event.key, this.#rows, [state.layer, state.head], this.#model.get("order") !== "layer", page);
      if (!to) return false;
      this.#player.set(false);
      this.#go(to);
    }
    return true;
  }
}
