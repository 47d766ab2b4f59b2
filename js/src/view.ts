/** One view of a head panel: what is shown follows from the traits, what is hovered, and the answers that came. */

import type { AnyModel } from "@anywidget/types";
import { Answers } from "./answers.ts";
import { drawFitting, setControls } from "./dress.ts";
import { say } from "./dom.ts";
import type { Picture } from "./figure.ts";
import type { Hit } from "./geometry.ts";
import { wishOf } from "./keys.ts";
import type { HeadModel } from "./model.ts";
import { Pan } from "./pan.ts";
import { Parts } from "./parts.ts";
import { Player } from "./player.ts";
import { Redraw } from "./redraw.ts";
import { reading, rowsRead } from "./reading.ts";
import { describe, headEntries, isMasked, type Key, keyEntries, rankKeys, rowFoot } from "./readout.ts";
import { makeScene, type Scene, Sorted, toTokens } from "./scene.ts";
import { type Action, click, NOTHING, perform, type Selection, withPin, withRow } from "./selection.ts";
import { showing } from "./showing.ts";
import { Source } from "./source.ts";
import { spreadAt } from "./spread.ts";
import { type Axes, axesOf, goTo, nameOf, nextHead, readState, setState, type State, TRAITS } from "./state.ts";
import { tableOf } from "./table.ts";
import { quoted } from "./text.ts";
import { readTheme, type Theme } from "./theme.ts";
import { Tip } from "./tip.ts";
import { type Showing, Tools } from "./tools.ts";
import type { Head } from "./wire.ts";

const NOWHERE: Hit = { row: null, column: null };

export class View {
  readonly #model: AnyModel<HeadModel>;
  readonly #source: Source;
  readonly #parts: Parts;
  readonly #answers: Answers;
  readonly #players: Record<"heads" | "time", Player>;
  readonly #tip: Tip;
  readonly #signal: AbortSignal;
  readonly #redraw: Redraw;
  readonly #pan: Pan;
  #theme: Theme | null = null;
  #hover = NOWHERE;
  #scene: Scene | null = null;
  #sorted = new Sorted();
  #followed = "";
  /** What was on show when something went wrong: stepped on, also from Python, nothing is wrong any more. */
  #failedAt = "";
  #keys: Key[] = [];
  #tabled: Head | null = null;

  constructor(model: AnyModel<HeadModel>, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    this.#source = new Source(model, signal, (reason) => this.#fail(reason), () => this.#redraw.soon());
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
        row: (row) => this.#select({ query: row, key: null, locked: true }),
        moment: (moment) => this.#step({ moment }),
        mean: (mean) => this.#set({ mean }),
        ablated: (ablated) => this.#set({ ablated }),
        play: (on) => this.#play("heads", on),
        playTime: (on) => this.#play("time", on),
        table: (on) => this.#showTable(on),
        set: (patch) => this.#set(patch),
        pin: (on) => this.#set(withPin(this.#state, on)),
        key: (index) => this.#pickKey(index),
        found: (index) => this.#pickHead(index),
      },
      signal,
    );
    this.#tip = new Tip(this.#parts.tip, this.#parts.root);
    const { root, figure, figureBox } = this.#parts;
    const tools = new Tools({ root, showing: () => this.#showing(), enlarged: () => this.#enlarged() }, signal);
    tools.node.append(this.#parts.table.node);
    this.#parts.legend.keys.append(tools.node);
    this.#pan = new Pan(figure, figureBox, signal, () => this.#redraw.soon());
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
    setState(this.#model, patch);
    this.#answers.follow(this.#state); // what is to be shown is asked for before the kernel is told where the panel stands
    this.#model.save_changes();
    this.#redraw.soon();
  }

  #step(patch: Partial<State>): void {
    this.#play("heads", false);
    this.#play("time", false);
    this.#set(goTo(this.#source.spec, this.#state, patch));
  }

  #fail(reason: string): void {
    this.#failedAt = reason && JSON.stringify(this.#state);
    say(this.#parts.error, reason);
    this.#parts.error.hidden = !reason;
  }

  #play(what: "heads" | "time", on: boolean): void {
    this.#players[what].set(on);
    this.#redraw.soon();
  }

  #update(): void {
    const state = this.#state;
    if (this.#failedAt && this.#failedAt !== JSON.stringify(state)) this.#fail("");
    const axes = axesOf(this.#source.spec, state);
    this.#theme ??= readTheme(this.#parts.root, this.#parts.probe);
    this.#answers.follow(state);
    const { rows, columns } = this.#answers.look;
    this.#pan.fit(rows.tokens.length, columns.tokens.length, state.last);
    const scene = makeScene(this.#answers, state, axes, this.#hover, this.#pan.window, this.#sorted);
    this.#scene = scene;
    this.#follow(scene);
    const { picture } = scene;
    const { spec } = this.#source;
    drawFitting(this.#parts, picture, this.#theme);
    setControls(this.#parts, spec, state, axes, picture, { heads: this.#players.heads.on, time: this.#players.time.on });
    this.#showWords(state, axes, picture);
    this.#showRankings(state, picture, this.#theme);
    if (!this.#parts.tableBox.hidden) this.#fillTable(picture);
    this.#tip.again(picture, (hit) => this.#spread(hit));
  }

  /** Bring what was selected into sight, once: then one may look elsewhere. */
  #follow(scene: Scene): void {
    const { query, key } = scene.at;
    const now = `${query} ${key}`;
    if (now === this.#followed) return;
    this.#followed = now;
    this.#pan.show(query, key);
    scene.picture.window = this.#pan.window;
  }

  /** What is copied and saved; null while it is not here. */
  #showing(): Showing | null {
    const { layout } = this.#parts.figure;
    const theme = this.#theme;
    if (!this.#scene || !layout || !theme) return null;
    return showing(this.#source.spec, this.#state, this.#scene.picture, this.#parts.figure, layout, theme);
  }

  #enlarged(): void {
    this.#theme = null;
    this.#redraw.soon();
  }

  /** Select among what is shown. */
  #select(selection: Selection): void {
    if (this.#scene) this.#set(toTokens(this.#scene, selection));
  }

  #showWords(state: State, axes: Axes, picture: Picture): void {
    const parts = this.#parts;
    const name = nameOf(state);
    const missing = this.#source.waits ? "waiting for the kernel…" : "not here";
    const spread = spreadAt(this.#source.spreads, state, this.#scene, picture.row, picture.column);
    const shown = [describe(name, picture, missing), spread].filter(Boolean).join(" · ");
    say(parts.name, name);
    say(parts.text, [axes.kind && `${axes.kind} attention`, this.#source.spec.title].filter(Boolean).join(" · "));
    say(parts.say, shown.slice(name.length + 2));
    parts.say.title = shown;
    parts.figure.canvas.setAttribute("aria-label", `${name}: heatmap of ${picture.rows.length} rows by ${picture.columns.length} columns. ${shown}`);
    // Read out what was stepped to or locked, not everything the pointer passes.
    if (this.#hover === NOWHERE) say(parts.live, shown);
    if (this.#theme) parts.legend.set(this.#theme, reading(state, picture, parts.figure.step, this.#pan.whole), picture.head);
  }

  #showRankings(state: State, picture: Picture, theme: Theme): void {
    const { keys, found } = this.#parts;
    const at = this.#scene?.at;
    const { of, row, title } = rowsRead(picture);
    this.#keys = of ? rankKeys(of, row) : [];
    const current = at?.query === picture.row ? at.key : null;
    keys.set(title, of ? keyEntries(of, this.#keys, picture.columns, current) : [], of ? rowFoot(of, row) : "", theme);
    found.node.hidden = !this.#answers.found.length || at?.query == null || at.key === null;
    if (at?.query == null || at.key === null || found.node.hidden) return;
    const cell = `${quoted(picture.rows[at.query] ?? "")} at ${quoted(picture.columns[at.key] ?? "")}`;
    const seen = picture.head && isMasked(picture.head, at.query, at.key) ? `masked in ${nameOf(state)}` : "";
    found.set(`All heads, ${cell}`, headEntries(this.#answers.found, state), seen, theme);
  }

  #pickKey(index: number): void {
    const key = this.#keys[index]?.key;
    if (key === undefined || !this.#scene) return;
    this.#select(click(this.#scene.at, this.#scene.picture.row, key));
  }

  #pickHead(index: number): void {
    const found = this.#answers.found[index];
    if (found) this.#set({ layer: found.layer, head: found.head, mean: false });
  }

  #showTable(on: boolean): void {
    this.#parts.tableBox.hidden = !on;
    this.#redraw.soon();
  }

  #fillTable(picture: Picture): void {
    const { head } = picture;
    if (!head || (head === this.#tabled && !head.tiles)) return;
    this.#tabled = head;
    const table = tableOf(nameOf(this.#state), head, picture);
    if (table) this.#parts.tableBox.replaceChildren(table);
  }

  #point(event: PointerEvent): void {
    const hit = this.#parts.figure.hit(event);
    if (hit.row !== this.#hover.row || hit.column !== this.#hover.column) {
      this.#hover = hit.row === null && hit.column === null ? NOWHERE : hit;
      this.#redraw.soon();
    }
    if (this.#scene) this.#tip.show(event, hit, this.#scene.picture, this.#spread(hit));
  }

  #spread({ row, column }: Hit): string {
    return column === null ? "" : spreadAt(this.#source.spreads, this.#state, this.#scene, row, column);
  }

  #unpoint(): void {
    this.#tip.hide();
    this.#hover = NOWHERE;
    this.#redraw.soon();
  }

  #click(event: MouseEvent): void {
    const { row, column } = this.#parts.figure.hit(event);
    this.#parts.figureBox.focus({ preventScroll: true });
    const scene = this.#scene;
    if (!scene || this.#pan.moved) return;
    const { at } = scene;
    if (row !== null && (event.ctrlKey || event.metaKey || event.shiftKey)) this.#set(withRow(this.#state, scene.rows.starts[row] ?? 0));
    else if (row !== null) this.#select(click(at, row, column));
    else if (column !== null && at.locked && at.query !== null) this.#select(click(at, at.query, column));
    else this.#set({ ...NOTHING, selected: [] });
  }

  #keydown(event: KeyboardEvent): void {
    const wish = wishOf(event);
    if (!wish) return;
    event.preventDefault();
    this.#act(wish);
  }

  #act(wish: Action): void {
    if (wish.do === "play") return this.#play("heads", !this.#players.heads.on);
    if (wish.do === "whole") return this.#pan.reset();
    if (wish.do === "closer" || wish.do === "farther") return this.#pan.zoom(wish.do === "closer" ? 1 / 1.5 : 1.5, this.#focus());
    const scene = this.#scene;
    if (!scene) return;
    const { row, rows, columns } = scene.picture;
    const shown = { row, key: this.#keys[0]?.key ?? 0, rows: rows.length, columns: columns.length };
    const patch = perform(wish, this.#source.spec, this.#state, scene.at, shown);
    if ("query" in patch || "locked" in patch) this.#set({ ...patch, ...toTokens(scene, { ...scene.at, ...patch }) });
    else this.#step(patch);
  }

  /** Zoom about what is selected, where something is. */
  #focus(): { row: number; column: number } | undefined {
    const at = this.#scene?.at;
    return at?.query == null ? undefined : { row: at.query, column: at.key ?? at.query };
  }
}
