/** One view of a grid of heads: what is shown follows from the traits, what is pointed at, and the layers that came. */

import type { AnyModel } from "@anywidget/types";
import { say } from "./dom.ts";
import { FOUND, GridControls } from "./gridcontrols.ts";
import type { GridModel } from "./griddata.ts";
import { GridFigure, type GridPicture } from "./gridfigure.ts";
import { flowColumns, type GridLayout, hitGrid, layOutGrid, rowsInView, scrollTo } from "./gridlayout.ts";
import { locate, nextPlace, type Place, steer } from "./gridorder.ts";
import { GridLegend } from "./gridparts.ts";
import { GridReader, type GridState } from "./gridreader.ts";
import { GridSource } from "./gridsource.ts";
import { cellSize, gridTable, gridValues, legendStates, reading, readingText, sayHead, ticks, tipText } from "./gridwords.ts";
import { headName } from "./model.ts";
import { Player } from "./player.ts";
import { pixelRatio, within } from "./projector.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { isOurs } from "./keys.ts";
import { action, move, NOTHING } from "./selection.ts";
import { Shell } from "./shell.ts";
import { axesOf, goTo, readState, type State, TRAITS } from "./state.ts";
import { readTheme, type Theme } from "./theme.ts";
import { type Showing, Tools } from "./tools.ts";

const HELP =
  "Grid of attention heads. Arrow keys move over the heads, Home and End to the ends of a row, page keys by a page; " +
  "with Shift the arrows move the row and the column whose weight is looked for; Escape lets go of them; Space plays.";
const NAME = "All heads";
const TALLEST = 640;

export class GridView {
  readonly #model: AnyModel<GridModel>;
  readonly #source: GridSource;
  readonly #reader: GridReader;
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

  constructor(model: AnyModel<GridModel>, signal: AbortSignal) {
    this.#model = model;
    this.#shell = new Shell("grid of heads", HELP, signal, () => this.#redraw.soon());
    this.#source = new GridSource(model, signal, () => this.#redraw.soon(), (reason) => this.#shell.fail(reason));
    this.#reader = new GridReader(this.#source);
    this.#controls = new GridControls(
      this.#source.spec.grid.metrics,
      {
        metric: (to) => this.#choose("metric", to),
        order: (to) => this.#choose("order", to),
        moment: (moment) => this.#set(goTo(this.#source.spec, this.#state, { moment })),
        query: (query) => this.#set({ query, locked: true }),
        key: (key) => this.#set({ key }),
        stop: (on) => this.#source.stop(on),
      },
      signal,
    );
    this.#player = new Player(signal, () => this.#go(nextPlace(this.#rows, [this.#state.layer, this.#state.head])));
    this.#assemble(signal);
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

  get #now(): GridState {
    return { state: this.#state, metric: this.#model.get("metric"), order: this.#model.get("order") };
  }

  #assemble(signal: AbortSignal): void {
    const shell = this.#shell;
    this.#figure.canvas.setAttribute("role", "img");
    this.#figure.canvas.classList.add("attn-grid-canvas");
    shell.figure.classList.add("attn-grid-figure");
    const space = document.createElement("div");
    space.append(this.#figure.canvas);
    shell.figure.append(space);
    shell.body.classList.add("attn-grid-body");
    shell.side.remove();
    const tools = new Tools({ root: shell.root, showing: () => this.#showing(), enlarged: () => this.#redraw.soon() }, signal);
    tools.node.append(shell.table.node);
    this.#legend.keys.append(tools.node);
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

  #go(to: Place | null): void {
    if (to) this.#set({ ...goTo(this.#source.spec, this.#state, { layer: to[0] }), head: to[1], mean: false });
  }

  #update(): void {
    const at = this.#now;
    const { blocks } = axesOf(this.#source.spec, at.state).frame;
    this.#theme ??= readTheme(this.#shell.root, this.#shell.probe);
    const [first = 0, last = -1] = this.#layout ? rowsInView(this.#layout, this.#shell.figure.scrollTop) : [];
    this.#source.follow(this.#reader.wanted(at, Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)));
    const width = innerWidth(this.#shell.root) - 12;
    const heads = blocks.map((block) => block.heads);
    const all = heads.reduce((sum, n) => sum + n, 0);
    const columns = this.#reader.metric(at.order) ? flowColumns(all, width, TALLEST) : Math.max(...heads);
    this.#rows = this.#reader.rows(at, columns);
    const picture = this.#reader.picture(at, this.#rows, this.#hover);
    this.#draw(picture, columns, width, this.#theme);
    this.#show(at, picture, this.#theme);
  }

  #draw(picture: GridPicture, columns: number, width: number, theme: Theme): void {
    const { figure } = this.#shell;
    const ratio = pixelRatio(this.#shell.root);
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

  #show(at: GridState, picture: GridPicture, theme: Theme): void {
    const { spec } = this.#source;
    const { state } = at;
    const axes = axesOf(spec, state);
    const shell = this.#shell;
    const what = this.#reader.what(at);
    say(shell.name, NAME);
    say(shell.text, spec.title);
    this.#controls.set(at.metric, at.order, state, axes, spec.frames.length);
    const { done, all } = this.#source.progress;
    this.#controls.came(done, all, this.#source.stopped, spec.live);
    const place: Place = this.#hover ?? [state.layer, state.head];
    const rank = this.#reader.rank(at, picture.rows, place);
    const shown = what === FOUND.title
      ? "choose a row and a column to find the heads that connect them"
      : sayHead(place, rank, what, state.mean && !this.#hover, spec.grid.metrics, picture);
    shell.tell(shown, this.#hover === null);
    const shape = picture.byLayer ? `${picture.rows.length} layers, a layer a row` : `sorted by ${this.#reader.metric(at.order)?.title}`;
    this.#figure.canvas.setAttribute("aria-label", `${what} of ${picture.rows.flat().length} heads, ${shape}. ${shown}`);
    shell.note(spec.note);
    const layers = axes.frame.blocks.map((_, layer) => this.#source.layer(state.moment, layer));
    const { dotted, joined } = cellSize(spec.grid.layers[state.moment] ?? [], this.#layout?.side ?? 1, pixelRatio(shell.root));
    const words = reading(this.#reader.metric(at.metric), picture.byLayer, joined, what);
    this.#legend.set(theme, what, ticks(picture.end), legendStates(layers, picture, dotted), words);
    shell.table.set(!shell.tableBox.hidden);
    if (!shell.tableBox.hidden) this.#fillTable(at);
  }

  #fillTable(at: GridState): void {
    const found = at.metric === "found" ? this.#reader.read("found", at.state) : null;
    const key = [this.#reader.version(at), at.metric, at.order, this.#rows[0]?.length].join();
    if (key === this.#tabled) return;
    this.#tabled = key;
    this.#shell.tableBox.replaceChildren(gridTable(this.#rows.flat(), this.#source.spec.grid.metrics, (layer) => this.#source.layer(at.state.moment, layer), found));
  }

  /** What the tools copy and save: all heads, also those out of view. */
  #showing(): Showing | null {
    const layout = this.#layout;
    const theme = this.#theme;
    if (!layout || !theme) return null;
    const at = this.#now;
    const { grid, title, about } = this.#source.spec;
    const picture = this.#reader.picture(at, this.#rows, null);
    const found = at.metric === "found" ? this.#reader.read("found", at.state) : null;
    const places = this.#rows.flat();
    return {
      name: `${NAME} ${this.#reader.what(at)}`,
      title,
      theme,
      scale: { colours: theme.palette, ticks: ticks(picture.end) },
      width: layout.width,
      height: layout.whole,
      draw: (context, ratio) => this.#figure.paint(context, picture, { ...layout, height: layout.whole }, theme, ratio, 0),
      table: () => gridValues(places, grid.metrics, picture.layerOf, found),
      cells: places.length * (grid.metrics.length + (found ? 1 : 0)),
      about: { ...about?.[at.state.moment], metric: at.metric, order: at.order },
    };
  }

  #at(event: MouseEvent): Place | null {
    if (!this.#layout) return null;
    const { x, y } = within(this.#figure.canvas, event);
    const hit = hitGrid(this.#layout, x, y, this.#shell.figure.scrollTop);
    return hit && (this.#rows[hit[0]]?.[hit[1]] ?? null);
  }

  #point(event: PointerEvent): void {
    const place = this.#at(event);
    if (place?.join() !== this.#hover?.join()) {
      this.#hover = place;
      this.#redraw.soon();
    }
    const { tip, root } = this.#shell;
    tip.hidden = !place;
    if (!place) return;
    const at = this.#now;
    const text = this.#reader.metric(at.metric)
      ? `${headName(...place)}  ${this.#reader.what(at)} ${readingText(this.#reader.read(at.metric, at.state)(...place), true)}`
      : tipText(place, this.#source.spec.grid.metrics, this.#source.layer(at.state.moment, place[0]));
    say(tip, [text, this.#reader.shared(at.state, place)].filter(Boolean).join(" · "));
    const { x, y } = within(root, event);
    tip.style.left = `${Math.max(0, Math.min(x + 14, root.offsetWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y + 18}px`;
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
    if (!isOurs(event) || this.#shell.tableBox.contains(event.target as Node)) return;
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
