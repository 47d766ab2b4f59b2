/** Tabs over a head panel's view: one for each kind of attention; which one is chosen follows the trait `layer`. */

import type { AnyModel } from "@anywidget/types";
import { h } from "./dom.ts";
import { type Kind, Kinds, layersText, READS, tabOf } from "./kinds.ts";
import type { HeadModel } from "./model.ts";
import { goTo, readState, saveState } from "./state.ts";
import { View } from "./view.ts";

let made = 0;

export class CrossView {
  readonly node: HTMLElement;
  readonly #model: AnyModel<HeadModel>;
  readonly #kinds: Kinds;
  readonly #tabs: HTMLButtonElement[];
  readonly #panel: HTMLElement;

  constructor(model: AnyModel<HeadModel>, signal: AbortSignal) {
    this.#model = model;
    this.#kinds = new Kinds(model.get("_spec"));
    const id = `attn-cross-${++made}`;
    this.#tabs = this.#kinds.all.map((kind) => this.#tab(kind, id, signal));
    const list = h("div", { class: "attn-cross-tabs", role: "tablist", "aria-label": "kind of attention" }, ...this.#tabs);
    list.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    this.#panel = h("div", { role: "tabpanel", id: `${id}-panel` }, new View(model, signal).node);
    this.node = h("div", { class: "attn-cross" }, list, this.#panel);
    const follow = (): void => this.#follow();
    model.on("change:layer", follow);
    signal.addEventListener("abort", () => model.off("change:layer", follow));
    follow();
  }

  #tab(kind: Kind, id: string, signal: AbortSignal): HTMLButtonElement {
    const name = kind.slice(0, 1).toUpperCase() + kind.slice(1);
    const about = h("span", { class: "attn-cross-about" }, `${READS[kind]} · ${layersText(this.#kinds.layers(kind))}`);
    const attributes = { type: "button", role: "tab", class: "attn-cross-tab", id: `${id}-${kind}`, "aria-controls": `${id}-panel` };
    const tab = h("button", attributes, h("span", { class: "attn-cross-name" }, name), about);
    tab.addEventListener("click", () => this.#choose(kind), { signal });
    return tab;
  }

  /** Show which kind the layer on show is of. */
  #follow(): void {
    const kind = this.#kinds.visit(this.#model.get("layer"));
    this.#tabs.forEach((tab, i) => {
      const chosen = this.#kinds.all[i] === kind;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen) this.#panel.setAttribute("aria-labelledby", tab.id);
    });
  }

  /** Go to where a kind was left; a row or column stays only where it is the same token. */
  #choose(kind: Kind): void {
    const state = readState(this.#model);
    const layer = this.#kinds.layerOf(kind);
    if (layer === state.layer) return;
    const query = this.#kinds.shares("queries", state.layer, layer) ? state.query : null;
    const key = this.#kinds.shares("keys", state.layer, layer) ? state.key : null;
    saveState(this.#model, goTo(this.#model.get("_spec"), { ...state, query, key }, { layer }));
    this.#follow();
  }

  #keydown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.stopPropagation();
    const at = this.#tabs.findIndex((tab) => tab === event.target);
    const to = at < 0 ? null : tabOf(event.key, at, this.#tabs.length);
    const kind = to === null ? undefined : this.#kinds.all[to];
    if (to === null || !kind) return;
    event.preventDefault();
    this.#choose(kind);
    this.#tabs[to]?.focus();
  }
}
