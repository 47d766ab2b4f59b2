/** One view of a head panel: what is shown follows from the traits, what is hovered, and the answers that came. */

import type { AnyModel } from "@anywidget/types";
import { Answers } from "./answers.ts";
import { say } from "./dom.ts";
import type { Picture } from "./figure.ts";
import type { Hit, Layout } from "./geometry.ts";
import { type HeadModel, headName } from "./model.ts";
import { Parts } from "./parts.ts";
import { Player } from "./player.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { describe, headEntries, isMasked, type Key, keyEntries, rankKeys, rowFoot } from "./readout.ts";
import { action, type Action, click, NOTHING, perform } from "./selection.ts";
import { Source } from "./source.ts";
import { type Axes, axesOf, canAblate, goTo, nameOf, nextHead, readState, saveState, type State, TRAITS } from "./state.ts";
import { makeTable } from "./table.ts";
import { quoted } from "./text.ts";
import { readTheme, type Theme } from "./theme.ts";
import { Tip } from "./tip.ts";
import type { Head } from "./wire.ts";

const NOWHERE: Hit = { row: null, column: null };
/** Width of the numbers beside the figure, with the gap. */
const SIDE = 268;

export class View {
  readonly #model: AnyModel<HeadModel>;
  readonly #source: Source;
  readonly #parts: Parts;
  readonly #answers: Answers;
  readonly #players: Record<"heads" | "time", Player>;
  readonly #tip: Tip;
  readonly #signal: AbortSignal;
  readonly #redraw: Redraw;
  #theme: Theme | null = null;
  #hover = NOWHERE;
  #row = 0;
  #keys: Key[] = [];
  #tabled: Head | null = null;

  constructor(model: AnyModel<HeadModel>, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    this.#source = new Source(model, signal, (reason) => this.#fail(reason));
    this.#answers = new Answers(this.#source, () => this.#redraw.soon(), (reason) => this.#fail(reason));
    const { spec } = this.#source;
    this.#players = {
      heads: new Player(signal, () => this.#set(nextHead(spec, this.#state))),
      time: new Player(signal, () => this.#set(goTo(spec, this.#state, { moment: (this.#state.moment + 1) % spec.frames.length }))),
    };
    this.#parts = new Parts(
      {
        layer: (layer) => this.#step({ layer }),
        head: (head) => this.#step({ head, mean: false }),
        row: (query) => this.#set({ query, locked: true }),
        moment: (moment) => this.#step({ moment }),
        mean: (mean) => this.#set({ mean }),
        ablated: (ablated) => this.#set({ ablated }),
        play: (on) => this.#play("heads", on),
        playTime: (on) => this.#play("time", on),
        table: (on) => this.#showTable(on),
        key: (index) => this.#pickKey(index),
        found: (index) => this.#pickHead(index),
      },
      signal,
    );
    this.#tip = new Tip(this.#parts.tip, this.#parts.root);
    const { root, figure } = this.#parts;
    const update = (): void => this.#update();
    this.#redraw = new Redraw(model, TRAITS, [root, figure.canvas], signal, update, () => {
      this.#theme = null;
    });
    this.#listen();
  }

  get node(): HTMLElement {
    return this.#parts.root;
  }

  get #state(): State {
    return readState(this.#model);
  }

  #listen(): void {
    const { root, figureBox, figure } = this.#parts;
    const signal = this.#signal;
    root.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    figureBox.addEventListener("pointermove", (event) => this.#point(event), { signal });
    figureBox.addEventListener("pointerleave", () => this.#unpoint(), { signal });
    figure.canvas.addEventListener("click", (event) => this.#click(event), { signal });
  }

  #set(patch: Partial<State>): void {
    this.#fail("");
    saveState(this.#model, patch);
    this.#redraw.soon();
  }

  #step(patch: Partial<State>): void {
    this.#play("heads", false);
    this.#play("time", false);
    this.#set(goTo(this.#source.spec, this.#state, patch));
  }

  #fail(reason: string): void {
    say(this.#parts.error, reason);
    this.#parts.error.hidden = !reason;
  }

  #play(what: "heads" | "time", on: boolean): void {
    this.#players[what].set(on);
    this.#redraw.soon();
  }

  #update(): void {
    const state = this.#state;
    const axes = axesOf(this.#source.spec, state);
    this.#theme ??= readTheme(this.#parts.root, this.#parts.probe);
    this.#answers.follow(state);
    const picture = this.#picture(state, axes);
    this.#row = picture.row;
    this.#draw(picture, this.#theme);
    this.#showControls(state, axes);
    this.#showWords(state, axes, picture);
    this.#showRankings(state, axes, this.#theme);
    if (!this.#parts.tableBox.hidden) this.#fillTable(axes);
  }

  #picture(state: State, axes: Axes): Picture {
    const row = (state.locked ? null : this.#hover.row) ?? state.query ?? axes.rows.length - 1;
    return {
      head: this.#answers.head,
      rows: axes.rows,
      columns: axes.columns,
      square: axes.square,
      predictions: axes.predictions,
      ablation: this.#answers.ablation,
      row,
      column: this.#column(state, row),
      locked: state.locked,
    };
  }

  /** The column pointed at in this row, or at its label, else the one that was clicked. */
  #column(state: State, row: number): number | null {
    const { row: overRow, column } = this.#hover;
    if (column !== null && (overRow === row || overRow === null)) return column;
    return state.query === row ? state.key : null;
  }

  /** Numbers beside the figure where that leaves its cells large enough, else below. */
  #draw(picture: Picture, theme: Theme): void {
    const { root, body, figure } = this.#parts;
    const width = innerWidth(root);
    const ratio = window.devicePixelRatio || 1;
    const below = figure.measure(picture, width, theme, ratio);
    const beside = figure.measure(picture, width - SIDE, theme, ratio);
    const fits = (layout: Layout): boolean => layout.cellWidth >= 12 || layout.cellWidth >= 0.85 * below.cellWidth;
    const stacked = width < 560 || !fits(beside);
    body.dataset["stacked"] = String(stacked);
    figure.draw(picture, stacked ? below : beside, theme, ratio);
  }

  #showControls(state: State, axes: Axes): void {
    const { spec } = this.#source;
    const parts = this.#parts;
    parts.layer.set(state.layer, axes.frame.blocks.length, String(state.layer));
    parts.head.set(state.head, axes.block.heads, String(state.head));
    parts.row.set(this.#row, axes.rows.length, String(this.#row));
    parts.moment.node.hidden = spec.frames.length < 2;
    parts.moment.set(state.moment, spec.frames.length, axes.frame.step === null ? "now" : String(axes.frame.step));
    parts.mean.set(state.mean);
    parts.ablated.node.hidden = !spec.ablate;
    parts.ablated.node.disabled = !canAblate(spec, state);
    parts.ablated.set(state.ablated && canAblate(spec, state), `Switch off ${headName(state.layer, state.head)}`);
    parts.play.set(this.#players.heads.on, this.#players.heads.on ? "Pause" : "Play");
    parts.playTime.set(this.#players.time.on, this.#players.time.on ? "Pause" : "Play");
    parts.table.set(!parts.tableBox.hidden);
    say(parts.note, spec.note);
    parts.note.hidden = !spec.note;
  }

  #showWords(state: State, axes: Axes, picture: Picture): void {
    const parts = this.#parts;
    const name = nameOf(state);
    const missing = this.#source.waits ? "waiting for the kernel…" : "not here";
    const shown = describe(name, axes, picture, missing);
    say(parts.name, name);
    say(parts.text, [axes.kind && `${axes.kind} attention`, this.#source.spec.title].filter(Boolean).join(" · "));
    say(parts.say, shown.slice(name.length + 2));
    parts.say.title = shown;
    const size = `${axes.rows.length} rows by ${axes.columns.length} columns`;
    parts.figure.canvas.setAttribute("aria-label", `${name}: heatmap of ${size}. ${shown}`);
    // Read out what was stepped to or locked, not everything the pointer passes.
    if (this.#hover === NOWHERE) say(parts.live, shown);
    if (this.#theme) parts.legend.set(this.#theme, axes.predictions !== null);
  }

  #showRankings(state: State, axes: Axes, theme: Theme): void {
    const { keys, found } = this.#parts;
    const { head } = this.#answers;
    const row = this.#row;
    this.#keys = head ? rankKeys(head, row) : [];
    const current = state.query === row ? state.key : null;
    const title = `${quoted(axes.rows[row] ?? "")} looks at`;
    keys.set(title, keyEntries(this.#keys, axes.columns, current), head ? rowFoot(head, row) : "", theme);
    found.node.hidden = !this.#answers.found.length || state.query === null || state.key === null;
    if (found.node.hidden) return;
    const cell = `${quoted(axes.rows[state.query ?? 0] ?? "")} at ${quoted(axes.columns[state.key ?? 0] ?? "")}`;
    const seen = head && isMasked(head, state.query ?? 0, state.key ?? 0) ? `masked in ${nameOf(state)}` : "";
    found.set(`All heads, ${cell}`, headEntries(this.#answers.found, state), seen, theme);
  }

  #pickKey(index: number): void {
    const key = this.#keys[index]?.key;
    if (key === undefined) return;
    this.#set(click(this.#state, this.#row, key));
  }

  #pickHead(index: number): void {
    const found = this.#answers.found[index];
    if (found) this.#set({ layer: found.layer, head: found.head, mean: false });
  }

  #showTable(on: boolean): void {
    this.#parts.tableBox.hidden = !on;
    this.#redraw.soon();
  }

  #fillTable(axes: Axes): void {
    const head = this.#answers.head;
    if (!head || head === this.#tabled) return;
    this.#tabled = head;
    this.#parts.tableBox.replaceChildren(makeTable(nameOf(this.#state), head, axes.rows, axes.columns, axes.predictions));
  }

  #point(event: PointerEvent): void {
    const hit = this.#parts.figure.hit(event);
    if (hit.row !== this.#hover.row || hit.column !== this.#hover.column) {
      this.#hover = hit.row === null && hit.column === null ? NOWHERE : hit;
      this.#redraw.soon();
    }
    const state = this.#state;
    this.#tip.show(event, hit, axesOf(this.#source.spec, state), this.#answers.head);
  }

  #unpoint(): void {
    this.#tip.hide();
    this.#hover = NOWHERE;
    this.#redraw.soon();
  }

  #click(event: MouseEvent): void {
    const { row, column } = this.#parts.figure.hit(event);
    this.#parts.figureBox.focus({ preventScroll: true });
    const state = this.#state;
    if (row !== null) this.#set(click(state, row, column));
    else if (column !== null && state.locked && state.query !== null) this.#set(click(state, state.query, column));
    else this.#set(NOTHING);
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
    if (wish.do === "play") return this.#play("heads", !this.#players.heads.on);
    const patch = perform(wish, this.#source.spec, this.#state, { row: this.#row, key: this.#keys[0]?.key ?? 0 });
    if ("query" in patch || "locked" in patch) this.#set(patch);
    else this.#step(patch);
  }
}
