/** One view of a comparison: left, right and difference, one selection through all three, and what differs most. */

import type { AnyModel } from "@anywidget/types";
import { GAP, Matrix, missingOf, place, type Sheet } from "./comparefigure.ts";
import { CompareLegend } from "./comparelegend.ts";
import { axesOf, type Cell, cellsOf, type CompareModel, goTo, headOf, nameOf, perform, type State, type Three, TRAITS } from "./comparemodel.ts";
import { ComparePan } from "./comparepan.ts";
import { BETWEEN, compareShowing } from "./compareshowing.ts";
import { CompareSource } from "./comparesource.ts";
import { compareTable } from "./comparetable.ts";
import { alignmentWords, captions, cellEntries, colourBars, type Differing, HELP, rankDifferences, rowEntries, rowMoved, sentence, tipWords } from "./comparewords.ts";
import { Stepper, Toggle } from "./controls.ts";
import { h, say } from "./dom.ts";
import type { Hit } from "./geometry.ts";
import { Ranking } from "./list.ts";
import { pixelRatio } from "./projector.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { wishOf } from "./keys.ts";
import { click, NOTHING } from "./selection.ts";
import { Shell } from "./shell.ts";
import { quoted } from "./text.ts";
import { readTheme, type Theme } from "./theme.ts";
import { showTip } from "./tip.ts";
import { type Showing, Tools } from "./tools.ts";

const NOWHERE: Hit = { row: null, column: null };
/** Cells up to which the largest differences of all heads are looked for unasked. */
const UNASKED = 8e6;

export class CompareView {
  readonly #model: AnyModel<CompareModel>;
  readonly #source: CompareSource;
  readonly #shell: Shell;
  readonly #redraw: Redraw;
  readonly #matrices = [new Matrix(), new Matrix(), new Matrix()] as const;
  readonly #captions = [h("figcaption"), h("figcaption"), h("figcaption")] as const;
  readonly #layer: Stepper;
  readonly #head: Stepper;
  readonly #row: Stepper;
  readonly #mean: Toggle;
  readonly #find: Toggle;
  readonly #rowList: Ranking;
  readonly #largestList: Ranking;
  readonly #legend = new CompareLegend();
  readonly #pan: ComparePan;
  #theme: Theme | null = null;
  #hover = NOWHERE;
  #shownRow = 0;
  #differing: Differing[] = [];
  #largest: Cell[];
  #searched: number;
  #tabled: unknown = null;

  constructor(model: AnyModel<CompareModel>, signal: AbortSignal) {
    this.#model = model;
    this.#source = new CompareSource(model, signal, () => this.#redraw.soon(), (reason) => this.#shell.fail(reason));
    const { spec } = this.#source;
    this.#largest = spec.largest ?? [];
    this.#searched = spec.largest ? spec.blocks.length : 0;
    this.#shell = new Shell("comparison of two traces", HELP, signal, () => this.#redraw.soon());
    this.#layer = new Stepper("Layer", signal, (layer) => this.#set(goTo(spec, this.#state, { layer })));
    this.#head = new Stepper("Head", signal, (head) => this.#set({ head, mean: false }));
    this.#row = new Stepper("Row", signal, (query) => this.#set({ query, locked: true }));
    this.#mean = new Toggle("Mean of heads", signal, (mean) => this.#set({ mean }));
    this.#find = new Toggle("Search all heads", signal, () => this.#search());
    this.#find.node.dataset["needs"] = "kernel";
    this.#rowList = new Ranking(signal, (index) => this.#pickKey(index));
    this.#largestList = new Ranking(signal, (index) => this.#pickCell(index));
    this.#pan = new ComparePan(this.#matrices, this.#shell.figure, signal, () => this.#redraw.soon());
    this.#build(signal);
    const { root } = this.#shell;
    this.#redraw = new Redraw(model, TRAITS, [root, this.#matrices[0].canvas], signal, () => this.#update(), () => {
      this.#theme = null;
    });
    if (!spec.largest && spec.live && cellsOf(spec) <= UNASKED) this.#search();
  }

  get node(): HTMLElement {
    return this.#shell.root;
  }

  get #state(): State {
    const get = <K extends keyof State>(name: K): State[K] => this.#model.get(name);
    return { layer: get("layer"), head: get("head"), query: get("query"), key: get("key"), mean: get("mean"), locked: get("locked") };
  }

  #build(signal: AbortSignal): void {
    const shell = this.#shell;
    const { names, note } = this.#source.spec;
    captions(names).forEach((caption, i) => say(this.#captions[i]!, caption));
    this.#matrices.forEach((matrix, i) => {
      matrix.canvas.setAttribute("role", "img");
      shell.figure.append(h("figure", { class: "attn-compare-one" }, this.#captions[i]!, matrix.canvas));
      matrix.canvas.addEventListener("pointermove", (event) => this.#point(event, matrix), { signal });
      matrix.canvas.addEventListener("pointerleave", () => this.#unpoint(), { signal });
      matrix.canvas.addEventListener("click", (event) => this.#click(event, matrix), { signal });
    });
    shell.figure.classList.add("attn-compare");
    shell.body.dataset["stacked"] = "true";
    shell.controls.append(this.#layer.node, this.#head.node, this.#mean.node);
    shell.side.append(h("div", {}, this.#row.node, this.#rowList.node), h("div", { class: "attn-compare-largest" }, this.#find.node, this.#largestList.node));
    const tools = new Tools({ root: shell.root, showing: () => this.#showing(), enlarged: () => this.#redraw.soon() }, signal);
    tools.node.append(shell.table.node);
    this.#legend.keys.append(tools.node);
    shell.legend.append(this.#legend.node);
    shell.note(note);
    shell.root.addEventListener("keydown", (event) => this.#keydown(event), { signal });
  }

  #set(patch: Partial<State>): void {
    this.#shell.fail("");
    this.#source.retry();
    for (const [name, value] of Object.entries(patch)) this.#model.set(name as keyof State, value as never);
    this.#model.save_changes();
    this.#redraw.soon();
  }

  #update(): void {
    const state = this.#state;
    const { spec } = this.#source;
    const { block, rows, columns } = axesOf(spec, state.layer);
    this.#theme ??= readTheme(this.#shell.root, this.#shell.probe);
    const three = this.#source.three(state.layer, headOf(state));
    this.#shownRow = (state.locked ? null : this.#hover.row) ?? state.query ?? rows.labels.length - 1;
    const row = this.#exact(state, three);
    this.#differing = row ? rankDifferences(row.three, row.index) : [];
    this.#pan.fit(rows, columns, state.query, state.key);
    this.#draw(three, state, this.#theme);
    this.#layer.set(state.layer, spec.blocks.length, String(state.layer));
    this.#head.set(state.head, block.heads, String(state.head));
    this.#row.set(this.#shownRow, rows.labels.length, String(this.#shownRow));
    this.#mean.set(state.mean);
    this.#mean.node.hidden = block.heads < 2;
    this.#showWords(state, row);
    this.#showLists(state, columns.labels, this.#theme);
    this.#legend.set(this.#theme, spec.names, [rows, columns], this.#matrices[2].step, this.#pan.words(rows, columns));
    if (!this.#shell.tableBox.hidden && three !== this.#tabled) {
      this.#tabled = three;
      this.#shell.tableBox.replaceChildren(...(three ? [compareTable(nameOf(state), three, rows, columns, spec.names)] : []));
    }
  }

  /** The row on show with every number: a row of what is here, or one of its own. */
  #exact(state: State, three: Three | null, shown = this.#shownRow): { three: Three; index: number } | null {
    if (three?.step === 1) return { three, index: shown };
    if (!three) return null;
    const row = this.#source.row(state.layer, headOf(state), shown);
    return row && { three: row, index: 0 };
  }

  /** What is copied and saved: of a large head the numbers of the row on show; null while they are not here. */
  #showing(): Showing | null {
    const state = this.#state;
    const three = this.#source.three(state.layer, headOf(state));
    const exact = this.#exact(state, three);
    if (!exact || !this.#theme) return null;
    const stacked = this.#shell.figure.dataset["stacked"] === "true";
    return compareShowing(this.#source.spec, state, { three: exact.three, row: exact.three === three ? null : this.#shownRow }, this.#matrices, this.#theme, stacked);
  }

  #column(state: State): number | null {
    const { row, column } = this.#hover;
    if (column !== null && (row === this.#shownRow || row === null)) return column;
    return state.query === this.#shownRow ? state.key : null;
  }

  #draw(three: Three | null, state: State, theme: Theme): void {
    const { rows, columns } = axesOf(this.#source.spec, state.layer);
    const ratio = pixelRatio(this.#shell.root);
    const width = innerWidth(this.#shell.root);
    const beside = width >= 640;
    const rowLabel = this.#matrices[0].widest(rows, theme);
    const columnLabel = this.#matrices[0].widest(columns, theme);
    this.#shell.figure.dataset["stacked"] = String(!beside);
    const each = (width - rowLabel - GAP - (beside ? 2 * BETWEEN + 6 : 0)) / (beside ? 3 : 1);
    const missing = missingOf(rows, columns);
    const heads = [three?.left, three?.right, three?.difference];
    this.#matrices.forEach((matrix, i) => {
      const labelled = i === 0 || !beside;
      const layout = place(each + (labelled ? rowLabel + GAP : 2), this.#pan.window, labelled ? rowLabel : 0, columnLabel, ratio);
      const sheet: Sheet = {
        head: heads[i] ?? null,
        step: three?.step ?? 1,
        rows,
        columns,
        missing: missing[i]!,
        signed: i === 2,
        row: this.#shownRow,
        column: this.#column(state),
        locked: state.locked,
        labelled,
      };
      matrix.draw(sheet, layout, theme, ratio);
      const caption = this.#captions[i]!;
      caption.style.paddingLeft = `${layout.x}px`;
      caption.style.maxWidth = `${layout.width}px`;
    });
  }

  #showWords(state: State, row: { three: Three; index: number } | null): void {
    const { spec, waits } = this.#source;
    const { block, rows, columns } = axesOf(spec, state.layer);
    const name = nameOf(state);
    const kind = spec.blocks.some((other) => other.kind !== block.kind) ? `${block.kind} attention` : "";
    const missing = waits ? "waiting for the kernel…" : "its numbers are not in this page";
    const first = row ? row.index * row.three.left.keys : 0;
    const shown = sentence(name, row?.three ?? null, rows, columns, spec.names, [this.#shownRow, this.#column(state), first], missing);
    say(this.#shell.name, name);
    say(this.#shell.text, [kind, spec.title, alignmentWords(columns, spec.names)].filter(Boolean).join(" · "));
    this.#shell.text.title = this.#shell.text.textContent ?? "";
    this.#shell.tell(shown.slice(name.length + 2), this.#hover === NOWHERE);
    this.#matrices.forEach((matrix, i) => {
      const what = `${name}, ${this.#captions[i]?.textContent}: heatmap of ${rows.labels.length} rows by ${columns.labels.length} columns`;
      matrix.canvas.setAttribute("aria-label", what);
    });
  }

  #showLists(state: State, columns: string[], theme: Theme): void {
    const { spec } = this.#source;
    const { rows } = axesOf(spec, state.layer);
    const current = state.query === this.#shownRow ? state.key : null;
    const changed = (this.#differing = this.#differing.filter(({ difference }) => difference !== 0));
    const entries = rowEntries(changed, columns, current);
    this.#rowList.set(`${quoted(rows.labels[this.#shownRow] ?? "")}: what changed`, entries, changed.length ? rowMoved(changed) : "no difference", theme);
    colourBars(this.#rowList, entries, theme.mode);
    const cells = cellEntries(this.#largest, spec, state);
    this.#largestList.set("Largest differences, all heads", cells, this.#searchWords(), theme);
    colourBars(this.#largestList, cells, theme.mode);
    this.#find.node.hidden = !spec.live || this.#searched > 0 || spec.largest !== null;
  }

  #searchWords(): string {
    const all = this.#source.spec.blocks.length;
    if (this.#searched === 0) return this.#find.node.hidden ? "" : "not searched yet";
    if (this.#searched < all) return `searched ${this.#searched} of ${all} layers…`;
    return this.#largest.length ? "" : "no difference anywhere";
  }

  #search(): void {
    this.#find.node.disabled = true;
    void this.#source.findLargest((cells, layers) => {
      this.#largest = cells;
      this.#searched = layers;
      this.#redraw.soon();
    });
  }

  #pickKey(index: number): void {
    const key = this.#differing[index]?.key;
    if (key !== undefined) this.#set(click(this.#state, this.#shownRow, key));
  }

  #pickCell(index: number): void {
    const cell = this.#largest[index];
    if (!cell) return;
    const [layer, head, query, key] = cell;
    this.#set({ layer, head, query, key, mean: false, locked: true });
  }

  #point(event: PointerEvent, matrix: Matrix): void {
    const at = matrix.hit(event);
    if (at.row !== this.#hover.row || at.column !== this.#hover.column) {
      this.#hover = at.row === null && at.column === null ? NOWHERE : at;
      this.#redraw.soon();
    }
    this.#tip(event, at);
  }

  /** Whole tokens and exact numbers at the pointer. */
  #tip(event: MouseEvent, hit: Hit): void {
    const state = this.#state;
    const { spec } = this.#source;
    const { rows, columns } = axesOf(spec, state.layer);
    const exact = hit.row === null ? null : this.#exact(state, this.#source.three(state.layer, headOf(state)), hit.row);
    showTip(this.#shell, event, tipWords(hit, exact, rows, columns, spec.names));
  }

  #unpoint(): void {
    this.#shell.tip.hidden = true;
    this.#hover = NOWHERE;
    this.#redraw.soon();
  }

  #click(event: MouseEvent, matrix: Matrix): void {
    const { row, column } = matrix.hit(event);
    this.#shell.figure.focus({ preventScroll: true });
    if (this.#pan.moved) return;
    const state = this.#state;
    if (row !== null) this.#set(click(state, row, column));
    else if (column !== null && state.locked && state.query !== null) this.#set(click(state, state.query, column));
    else this.#set(NOTHING);
  }

  #keydown(event: KeyboardEvent): void {
    const wish = wishOf(event);
    if (!wish || wish.do === "play") return;
    event.preventDefault();
    const { query, key } = this.#state;
    if (this.#pan.act(wish, query, key)) return;
    this.#set(perform(wish, this.#source.spec, this.#state, { row: this.#shownRow, key: this.#differing[0]?.key ?? 0 }));
  }
}
