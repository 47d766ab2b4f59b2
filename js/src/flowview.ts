/** One view of a flow panel: the path of a token through the layers, as its traits say. */

import type { AnyModel } from "@anywidget/types";
import { Stepper, Toggle } from "./controls.ts";
import { h, say } from "./dom.ts";
import { FlowFigure, type FlowPicture } from "./flowfigure.ts";
import { flowMove } from "./flowkeys.ts";
import { type FlowHit, hitFlow } from "./flowlayout.ts";
import { flowShowing } from "./flowshowing.ts";
import { type FlowModel, FlowSource, HEADS, METHODS, type Path, type Wanted } from "./flowsource.ts";
import { flowTable } from "./flowtable.ts";
import { columnName, entries, foot, HELP, hitText, nameOf, placeOf, rank, READING, sentence, wayOf } from "./flowwords.ts";
import { Legend } from "./legend.ts";
import { Ranking } from "./list.ts";
import { Player } from "./player.ts";
import { pixelRatio, within } from "./projector.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { action, type Action } from "./selection.ts";
import { Shell } from "./shell.ts";
import { type Axes, axesOf, goTo, readState, type State, TRAITS } from "./state.ts";
import { quoted } from "./text.ts";
import { readTheme, type Theme } from "./theme.ts";
import { showTip } from "./tip.ts";
import { type Showing, Tools } from "./tools.ts";

const SIDE = 268;
const MOST = 128;

/** Traits of every panel, and the flow panel's own. */
type Patch = Partial<State> & Partial<Pick<FlowModel, "method" | "heads" | "edges" | "least">>;

export class FlowView {
  readonly #model: AnyModel<FlowModel>;
  readonly #source: FlowSource;
  readonly #shell: Shell;
  readonly #figure = new FlowFigure();
  readonly #legend = new Legend();
  readonly #ranking: Ranking;
  readonly #refusal = h("p", { class: "attn-note", hidden: true });
  readonly #steppers: Record<"layer" | "head" | "query" | "edges" | "moment", Stepper>;
  readonly #methods: Toggle[];
  readonly #heads: Toggle[];
  readonly #play: Toggle;
  readonly #player: Player;
  readonly #redraw: Redraw;
  #theme: Theme | null = null;
  #path: Path | null = null;
  #picture: FlowPicture | null = null;
  #ranked: number[] = [];
  #hover: FlowHit | null = null;
  #tabled: Path | null = null;

  constructor(model: AnyModel<FlowModel>, signal: AbortSignal) {
    this.#model = model;
    this.#shell = new Shell("path of attention", HELP, signal, () => this.#redraw.soon());
    this.#source = new FlowSource(model, signal, () => this.#redraw.soon(), (reason) => this.#shell.fail(reason));
    this.#player = new Player(signal, () => this.#advance());
    this.#ranking = new Ranking(signal, (index) => this.#mark(this.#ranked[index] ?? null));
    this.#steppers = {
      layer: new Stepper("Layer", signal, (layer) => this.#step({ layer })),
      head: new Stepper("Head", signal, (head) => this.#step({ head })),
      query: new Stepper("Token", signal, (query) => this.#set({ query, locked: true })),
      edges: new Stepper("Lines", signal, (edges) => this.#set({ edges: edges + 1 })),
      moment: new Stepper("Step", signal, (moment) => this.#step({ moment })),
    };
    this.#methods = METHODS.map((method) => new Toggle(method === "raw" ? "Raw" : "Rollout", signal, () => this.#set({ method })));
    const names = { mean: "Mean of heads", max: "Maximum", head: "One head" };
    this.#heads = HEADS.map((heads) => new Toggle(names[heads], signal, () => this.#set({ heads })));
    this.#play = new Toggle("Play", signal, (on) => this.#playing(on));
    this.#assemble(signal);
    const { root } = this.#shell;
    const traits = [...TRAITS, "method", "heads", "edges", "least"];
    this.#redraw = new Redraw(model, traits, [root, this.#figure.canvas], signal, () => this.#update(), () => {
      this.#theme = null;
    });
    this.#listen(signal);
  }

  get node(): HTMLElement {
    return this.#shell.root;
  }

  get #state(): State {
    return readState(this.#model);
  }

  #assemble(signal: AbortSignal): void {
    const { root, controls, figure, legend, side, table } = this.#shell;
    const { layer, head, query, edges, moment } = this.#steppers;
    const group = (name: string, toggles: Toggle[]): HTMLElement =>
      h("div", { class: "attn-flow-group", role: "group", "aria-label": name }, ...toggles.map((toggle) => toggle.node));
    moment.node.classList.add("attn-time");
    controls.append(layer.node, query.node, this.#play.node, group("method", this.#methods), group("heads", this.#heads), head.node, edges.node, moment.node);
    this.#figure.canvas.setAttribute("role", "img");
    figure.append(this.#figure.canvas, this.#refusal);
    side.append(this.#ranking.node);
    const tools = new Tools({ root, showing: () => this.#showing(), enlarged: () => this.#redraw.soon() }, signal);
    tools.node.append(table.node);
    this.#legend.keys.append(tools.node);
    legend.append(this.#legend.node);
  }

  #listen(signal: AbortSignal): void {
    const { root, figure, tip } = this.#shell;
    root.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    figure.addEventListener("pointermove", (event) => this.#point(event), { signal });
    figure.addEventListener("pointerleave", () => {
      tip.hidden = true;
      this.#pointAt(null);
    }, { signal });
    this.#figure.canvas.addEventListener("click", (event) => this.#click(event), { signal });
  }

  /** Set what there is a trait for: a patch may hold some of the head panel's. */
  #set(patch: Patch): void {
    this.#shell.fail("");
    this.#source.retry();
    const set = <K extends keyof Patch>(name: K): void => {
      if (patch[name] !== undefined && this.#model.get(name) !== undefined) this.#model.set(name, patch[name] as FlowModel[K]);
    };
    for (const name of Object.keys(patch) as (keyof Patch)[]) set(name);
    this.#model.save_changes();
    this.#redraw.soon();
  }

  #step(patch: Partial<State>): void {
    this.#playing(false);
    this.#set(goTo(this.#source.spec, this.#state, patch));
  }

  /** One layer further down the path, from the first back to the last. */
  #advance(): void {
    const layers = this.#path?.layers ?? [];
    const place = layers.indexOf(this.#state.layer);
    const next = layers.at(place > 0 ? place - 1 : -1);
    if (next !== undefined) this.#set(goTo(this.#source.spec, this.#state, { layer: next }));
  }

  #playing(on: boolean): void {
    this.#player.set(on);
    this.#redraw.soon();
  }

  #mark(token: number | null): void {
    if (token !== null) this.#set({ key: token === this.#state.key ? null : token });
  }

  #wanted(state: State): Wanted {
    const { rows } = axesOf(this.#source.spec, state);
    const query = state.query ?? rows.length - 1;
    return { moment: state.moment, layer: state.layer, query, method: this.#model.get("method"), heads: this.#model.get("heads"), head: state.head };
  }

  #update(): void {
    const state = this.#state;
    const axes = axesOf(this.#source.spec, state);
    const theme = (this.#theme ??= readTheme(this.#shell.root, this.#shell.probe));
    const wanted = this.#wanted(state);
    const refusal = this.#source.refusal(state.moment, state.layer);
    this.#path = refusal ? null : this.#source.get(wanted);
    if (this.#path) this.#draw(this.#path, state, axes, wanted, theme);
    this.#figure.canvas.hidden = refusal !== "";
    this.#ranking.node.hidden = refusal !== "" || !this.#path;
    say(this.#refusal, refusal);
    this.#refusal.hidden = !refusal;
    this.#shell.figure.dataset["waiting"] = String(!this.#path && !refusal);
    this.#showControls(state, axes, wanted);
    this.#showWords(state, axes, wanted, refusal, theme);
    if (this.#path) this.#showRanking(this.#path, state, axes, wanted, theme);
    this.#shell.table.set(!this.#shell.tableBox.hidden);
    if (!this.#shell.tableBox.hidden) this.#fillTable(axes, wanted);
  }

  #draw(path: Path, state: State, axes: Axes, wanted: Wanted, theme: Theme): void {
    const width = innerWidth(this.#shell.root);
    const stacked = width < 720;
    this.#shell.body.dataset["stacked"] = String(stacked);
    this.#picture = {
      path,
      tokens: axes.columns,
      query: wanted.query,
      layer: state.layer,
      marked: state.key,
      edges: this.#model.get("edges"),
      least: this.#model.get("least"),
      hover: this.#hover,
    };
    this.#figure.draw(this.#picture, stacked ? width : width - SIDE, theme, pixelRatio(this.#shell.root));
  }

  /** What is copied and saved; null while it is not here. */
  #showing(): Showing | null {
    if (!this.#path || !this.#picture || !this.#theme) return null;
    return flowShowing(this.#source.spec, this.#wanted(this.#state), { ...this.#picture, hover: null }, this.#figure, this.#theme);
  }

  #showControls(state: State, axes: Axes, wanted: Wanted): void {
    const { layer, head, query, edges, moment } = this.#steppers;
    const { spec } = this.#source;
    layer.set(state.layer, axes.frame.blocks.length, String(state.layer));
    head.node.hidden = wanted.heads !== "head";
    head.set(state.head, axes.block.heads, String(state.head));
    query.set(wanted.query, axes.rows.length, String(wanted.query));
    edges.set(this.#model.get("edges") - 1, MOST, String(this.#model.get("edges")));
    moment.node.hidden = spec.frames.length < 2;
    moment.set(state.moment, spec.frames.length, axes.frame.step === null ? "now" : String(axes.frame.step));
    this.#methods.forEach((toggle, i) => toggle.set(METHODS[i] === wanted.method));
    this.#heads.forEach((toggle, i) => toggle.set(HEADS[i] === wanted.heads));
    this.#play.set(this.#player.on, this.#player.on ? "Pause" : "Play");
  }

  #showWords(state: State, axes: Axes, wanted: Wanted, refusal: string, theme: Theme): void {
    const { spec } = this.#source;
    const missing = this.#source.waits ? "waiting for the kernel…" : "not here";
    const shown = refusal ? "no path here" : sentence(this.#path, axes.columns, wanted.query, state.layer, state.key, missing);
    say(this.#shell.name, nameOf(wanted));
    say(this.#shell.text, [axes.kind && `${axes.kind} attention`, spec.title].filter(Boolean).join(" · "));
    this.#shell.tell(shown);
    this.#shell.note(spec.note);
    const size = this.#path ? `${this.#path.layers.length} layers by ${this.#path.tokens} tokens` : "";
    this.#figure.canvas.setAttribute("aria-label", `${wayOf(wanted)}, ${size}: ${shown}`);
    this.#legend.set(theme, READING, null);
  }

  #showRanking(path: Path, state: State, axes: Axes, wanted: Wanted, theme: Theme): void {
    const column = placeOf(path, state.layer);
    const shares = path.shares[column] ?? new Float32Array();
    this.#ranked = rank(shares);
    const title = `${quoted(axes.rows[wanted.query] ?? "")} at ${columnName(path, column)}`;
    this.#ranking.set(title, entries(shares, this.#ranked, axes.columns, state.key), `${wayOf(wanted)} · ${foot(shares)}`, theme);
  }

  #fillTable(axes: Axes, wanted: Wanted): void {
    if (!this.#path || this.#path === this.#tabled) return;
    this.#tabled = this.#path;
    this.#shell.tableBox.replaceChildren(flowTable(`${wayOf(wanted)}, ${axes.rows[wanted.query] ?? ""}`.slice(0, 200), this.#path, axes.columns));
  }

  #at(event: MouseEvent): FlowHit | null {
    const { layout } = this.#figure;
    if (!layout || !this.#path || event.target !== this.#figure.canvas) return null;
    const { x, y } = within(this.#figure.canvas, event);
    return hitFlow(layout, this.#path, this.#model.get("edges"), this.#model.get("least"), x, y);
  }

  #pointAt(hit: FlowHit | null): void {
    if (JSON.stringify(hit) === JSON.stringify(this.#hover)) return;
    this.#hover = hit;
    this.#redraw.soon();
  }

  #point(event: PointerEvent): void {
    const hit = this.#at(event);
    this.#pointAt(hit);
    const { columns } = axesOf(this.#source.spec, this.#state);
    showTip(this.#shell, event, hit && this.#path ? hitText(hit, this.#path, columns) : "");
  }

  /** A token at the output is followed; one further down is marked, and its layer stepped to. */
  #click(event: MouseEvent): void {
    this.#shell.figure.focus({ preventScroll: true });
    const hit = this.#at(event);
    const path = this.#path;
    if (!hit || !path) return this.#set({ key: null });
    if ("line" in hit) return this.#step({ layer: path.layers[hit.place] ?? 0, key: hit.line.key });
    const layer = path.layers[hit.column];
    if (layer === undefined) this.#set({ query: hit.token, locked: true });
    else this.#step({ layer, key: hit.token });
  }

  #keydown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // The host's shortcuts must not take keys meant for the panel (an x would cut the cell).
    event.stopPropagation();
    const target = event.target;
    if (target instanceof HTMLInputElement && event.key !== "Escape") return;
    const wish = action(event.key, event.shiftKey);
    const onButton = target instanceof HTMLButtonElement && (event.key === " " || event.key === "Enter");
    if (!wish || onButton) return;
    event.preventDefault();
    this.#act(wish);
  }

  #act(wish: Action): void {
    if (wish.do === "play") return this.#playing(!this.#player.on);
    const state = this.#state;
    const patch = flowMove(wish, axesOf(this.#source.spec, state), state, this.#wanted(state), this.#path, this.#ranked);
    if ("layer" in patch || "head" in patch) this.#step(patch);
    else this.#set(patch);
  }
}
