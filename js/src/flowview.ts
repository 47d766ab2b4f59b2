/** One view of a flow panel: the path of a token through the layers, as its traits say. */

import type { AnyModel } from "@anywidget/types";
import { Stepper, Toggle } from "./controls.ts";
import { h, say } from "./dom.ts";
import { FlowFigure, type FlowPicture } from "./flowfigure.ts";
import { flowMove } from "./flowkeys.ts";
import { type FlowHit, hitFlow } from "./flowlayout.ts";
import { flowShowing } from "./flowshowing.ts";
import { type FlowModel, FlowSource, HEADS, isWhole, METHODS, type Path, type Wanted } from "./flowsource.ts";
import { flowTable } from "./flowtable.ts";
import { columnName, entries, foot, HELP, hitText, nameOf, placeOf, rank, READING, sentence, wayOf } from "./flowwords.ts";
import { Frame } from "./frame.ts";
import { Progress } from "./gridparts.ts";
import { Ranking } from "./list.ts";
import { within } from "./projector.ts";
import type { Action } from "./selection.ts";
import { type Axes, axesOf, goTo, readState, type State, TRAITS } from "./state.ts";
import { quoted } from "./text.ts";
import type { Showing } from "./tools.ts";

const SIDE = 268;
const MOST = 128;

/** Traits of every panel, and the flow panel's own. */
type Patch = Partial<State> & Partial<Pick<FlowModel, "method" | "heads" | "edges" | "least">>;

export class FlowView {
  readonly #model: AnyModel<FlowModel>;
  readonly #frame: Frame;
  readonly #source: FlowSource;
  readonly #figure = new FlowFigure();
  readonly #ranking: Ranking;
  readonly #refusal = h("p", { class: "attn-note", hidden: true });
  readonly #steppers: Record<"layer" | "head" | "query" | "edges" | "moment", Stepper>;
  readonly #methods: Toggle[];
  readonly #heads: Toggle[];
  readonly #progress: Progress;
  #path: Path | null = null;
  #picture: FlowPicture | null = null;
  #ranked: number[] = [];
  #hover: FlowHit | null = null;
  #tabled: Path | null = null;

  constructor(model: AnyModel<FlowModel>, signal: AbortSignal) {
    this.#model = model;
    this.#frame = new Frame(model, [...TRAITS, "method", "heads", "edges", "least"], this.#figure.canvas, { what: "path of attention", help: HELP }, {
      draw: () => this.#update(),
      showing: () => this.#showing(),
      advance: () => this.#advance(),
      act: (wish) => this.#act(wish),
      point: (event) => this.#point(event),
    }, signal);
    this.#source = new FlowSource(model, signal, this.#frame.soon, this.#frame.fail);
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
    this.#progress = new Progress(signal, (stop) => {
      this.#source.stop(this.#wanted(this.#state), stop);
      this.#frame.soon();
    });
    this.#assemble();
    this.#figure.canvas.addEventListener("click", (event) => this.#click(event), { signal });
  }

  get node(): HTMLElement {
    return this.#frame.shell.root;
  }

  get #state(): State {
    return readState(this.#model);
  }

  #assemble(): void {
    const { controls, figure, legend, side } = this.#frame.shell;
    const { layer, head, query, edges, moment } = this.#steppers;
    const group = (name: string, toggles: Toggle[]): HTMLElement =>
      h("div", { class: "attn-flow-group", role: "group", "aria-label": name }, ...toggles.map((toggle) => toggle.node));
    moment.node.classList.add("attn-time");
    const ways = [group("method", this.#methods), group("heads", this.#heads)];
    controls.append(layer.node, query.node, this.#frame.play.node, ...ways, head.node, edges.node, moment.node, this.#progress.node);
    this.#figure.canvas.setAttribute("role", "img");
    figure.append(this.#figure.canvas, this.#refusal);
    side.append(this.#ranking.node);
    legend.append(this.#frame.legend.node);
  }

  /** Set what there is a trait for: a patch may hold some of the head panel's. */
  #set(patch: Patch): void {
    this.#frame.fail("");
    this.#source.retry();
    const set = <K extends keyof Patch>(name: K): void => {
      if (patch[name] !== undefined && this.#model.get(name) !== undefined) this.#model.set(name, patch[name] as FlowModel[K]);
    };
    for (const name of Object.keys(patch) as (keyof Patch)[]) set(name);
    this.#model.save_changes();
    this.#frame.soon();
  }

  #step(patch: Partial<State>): void {
    this.#frame.playing(false);
    this.#set(goTo(this.#source.spec, this.#state, patch));
  }

  /** One layer further down the path, from the first back to the last. */
  #advance(): void {
    const layers = this.#path?.layers ?? [];
    const place = layers.indexOf(this.#state.layer);
    const next = layers.at(place > 0 ? place - 1 : -1);
    if (next !== undefined) this.#set(goTo(this.#source.spec, this.#state, { layer: next }));
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
    const { shell } = this.#frame;
    const state = this.#state;
    const axes = axesOf(this.#source.spec, state);
    const wanted = this.#wanted(state);
    const refusal = this.#source.refusal(state.moment, state.layer);
    this.#path = refusal ? null : this.#source.get(wanted);
    if (this.#path) this.#draw(this.#path, state, axes, wanted);
    this.#figure.canvas.hidden = refusal !== "";
    this.#ranking.node.hidden = refusal !== "" || !this.#path;
    say(this.#refusal, refusal);
    this.#refusal.hidden = !refusal;
    shell.figure.dataset["waiting"] = String(!this.#path && !refusal);
    this.#showControls(state, axes, wanted);
    this.#showWords(state, axes, wanted, refusal);
    if (this.#path) this.#showRanking(this.#path, state, axes, wanted);
    shell.table.set(!shell.tableBox.hidden);
    if (!shell.tableBox.hidden) this.#fillTable(axes, wanted);
  }

  #draw(path: Path, state: State, axes: Axes, wanted: Wanted): void {
    const [width, ratio] = this.#frame.size;
    const stacked = width < 720;
    this.#frame.shell.body.dataset["stacked"] = String(stacked);
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
    this.#figure.draw(this.#picture, stacked ? width : width - SIDE, this.#frame.theme, ratio);
  }

  /** What is copied and saved; null while it is not here. */
  #showing(): Showing | null {
    if (!this.#path || !isWhole(this.#path) || !this.#picture) return null;
    return flowShowing(this.#source.spec, this.#wanted(this.#state), { ...this.#picture, hover: null }, this.#figure, this.#frame.theme);
  }

  #showControls(state: State, axes: Axes, wanted: Wanted): void {
    const { layer, head, query, edges, moment } = this.#steppers;
    layer.set(state.layer, axes.frame.blocks.length, String(state.layer));
    head.node.hidden = wanted.heads !== "head";
    head.set(state.head, axes.block.heads, String(state.head));
    query.set(wanted.query, axes.rows.length, String(wanted.query));
    edges.set(this.#model.get("edges") - 1, MOST, String(this.#model.get("edges")));
    this.#methods.forEach((toggle, i) => toggle.set(METHODS[i] === wanted.method));
    this.#heads.forEach((toggle, i) => toggle.set(HEADS[i] === wanted.heads));
    this.#frame.show(this.#source.spec, state, axes, moment);
    const path = this.#path;
    this.#progress.set(path?.done ?? 0, path?.layers.length ?? 0, this.#source.stopped, path !== null && !isWhole(path));
  }

  #showWords(state: State, axes: Axes, wanted: Wanted, refusal: string): void {
    const { shell, legend, theme } = this.#frame;
    const path = this.#path;
    const missing = this.#source.waits ? "waiting for the kernel…" : "not here";
    const shown = refusal ? "no path here" : sentence(path, axes.columns, wanted.query, state.layer, state.key, missing);
    say(shell.name, nameOf(wanted));
    shell.tell(shown, !path || isWhole(path));
    shell.note(this.#source.spec.note);
    const size = path ? `${path.layers.length} layers by ${path.tokens} tokens` : "";
    this.#figure.canvas.setAttribute("aria-label", `${wayOf(wanted)}, ${size}: ${shown}`);
    legend.set(theme, READING, null);
  }

  #showRanking(path: Path, state: State, axes: Axes, wanted: Wanted): void {
    const column = placeOf(path, state.layer);
    const shares = path.shares[column] ?? new Float32Array();
    this.#ranked = rank(shares);
    const title = `${quoted(axes.rows[wanted.query] ?? "")} at ${columnName(path, column)}`;
    this.#ranking.set(title, entries(shares, this.#ranked, axes.columns, state.key), `${wayOf(wanted)} · ${foot(shares)}`, this.#frame.theme);
  }

  #fillTable(axes: Axes, wanted: Wanted): void {
    if (!this.#path || this.#path === this.#tabled) return;
    this.#tabled = this.#path;
    this.#frame.shell.tableBox.replaceChildren(flowTable(`${wayOf(wanted)}, ${axes.rows[wanted.query] ?? ""}`.slice(0, 200), this.#path, axes.columns));
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
    this.#frame.soon();
  }

  #point(event: PointerEvent | null): void {
    const hit = event && this.#at(event);
    this.#pointAt(hit);
    const { columns } = axesOf(this.#source.spec, this.#state);
    if (event) this.#frame.tip(event, hit && this.#path ? hitText(hit, this.#path, columns) : "");
  }

  /** A token at the output is followed; one further down is marked, and its layer stepped to. */
  #click(event: MouseEvent): void {
    this.#frame.shell.figure.focus({ preventScroll: true });
    const hit = this.#at(event);
    const path = this.#path;
    if (!hit || !path) return this.#set({ key: null });
    if ("line" in hit) return this.#step({ layer: path.layers[hit.place] ?? 0, key: hit.line.key });
    const layer = path.layers[hit.column];
    if (layer === undefined) this.#set({ query: hit.token, locked: true });
    else this.#step({ layer, key: hit.token });
  }

  #act(wish: Action): void {
    const state = this.#state;
    const patch = flowMove(wish, axesOf(this.#source.spec, state), state, this.#wanted(state), this.#path, this.#ranked);
    if ("layer" in patch || "head" in patch) this.#step(patch);
    else this.#set(patch);
  }
}
