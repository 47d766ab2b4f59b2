/** A ranking: names with bars and numbers; each entry is a button, one tab stop for the list. */

import { css, level } from "./colours.ts";
import { h, say } from "./dom.ts";
import type { Theme } from "./theme.ts";

export interface Entry {
  name: string;
  value: number;
  text: string;
  current: boolean;
}

/** An array of them, or what makes them when they are to be shown. */
export interface Entries {
  readonly length: number;
  slice(start: number, end: number): Entry[];
}

interface Line {
  node: HTMLLIElement;
  button: HTMLButtonElement;
  name: HTMLElement;
  bar: HTMLElement;
  number: HTMLElement;
  /** What it shows. */
  shown: { entry: Entry; colour: string } | null;
}

/** More entries than this are summed up in words. */
const MOST = 48;

export class Ranking {
  readonly node: HTMLElement;
  #title = h("h3", { class: "attn-title" });
  #list = h("ol", { class: "attn-list" });
  #foot = h("p", { class: "attn-foot" });
  #lines: Line[] = [];
  #shown = 0;
  #pick: (index: number) => void;

  constructor(signal: AbortSignal, pick: (index: number) => void) {
    this.#pick = pick;
    this.node = h("section", { class: "attn-ranking" }, this.#title, this.#list, this.#foot);
    this.#list.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    this.#list.addEventListener(
      "click",
      (event) => {
        const index = this.#lines.findIndex((line) => event.target instanceof Node && line.button.contains(event.target));
        if (index >= 0) this.#pick(index);
      },
      { signal },
    );
  }

  set(title: string, entries: Entries, foot: string, theme: Theme): void {
    say(this.#title, title);
    this.#list.setAttribute("aria-label", title);
    const shown = entries.slice(0, MOST);
    const rest = entries.slice(MOST, MOST + 1)[0];
    while (this.#lines.length < shown.length) this.#add();
    this.#lines.forEach((line, i) => {
      const entry = shown[i];
      line.node.hidden = !entry;
      if (entry) this.#fill(line, entry, theme);
    });
    this.#shown = shown.length;
    const focusable = this.#lines.find((line) => !line.node.hidden && line.node.contains(document.activeElement)) ?? this.#lines[0];
    for (const line of this.#lines) line.button.tabIndex = line === focusable ? 0 : -1;
    const more = rest ? `${entries.length - MOST} more, each at most ${rest.text}` : "";
    say(this.#foot, [more, foot].filter(Boolean).join(" · "));
  }

  #add(): void {
    const name = h("span", { class: "attn-entry-name" });
    const bar = h("span", { class: "attn-entry-bar", "aria-hidden": "true" }, h("i"));
    const number = h("span", { class: "attn-entry-number" });
    const button = h("button", { type: "button", class: "attn-entry" }, name, bar, number);
    const node = h("li", {}, button);
    this.#lines.push({ node, button, name, bar, number, shown: null });
    this.#list.append(node);
  }

  /** Write what changed: a list is filled with every step, and most of writing is what the browser does after. */
  #fill(line: Line, entry: Entry, theme: Theme): void {
    const share = Number.isFinite(entry.value) ? Math.min(1, Math.max(0, entry.value)) : 0;
    const shade = theme.palette[level(0.3 + 0.5 * share)];
    const colour = shade ? css(shade) : "currentColor";
    const before = line.shown;
    line.shown = { entry, colour };
    if (before?.entry.name !== entry.name) {
      line.name.textContent = entry.name;
      line.name.title = entry.name;
    }
    if (before?.entry.text !== entry.text) line.number.textContent = entry.text;
    if (before?.entry.current !== entry.current) line.button.setAttribute("aria-current", String(entry.current));
    const fill = line.bar.firstElementChild;
    if (!(fill instanceof HTMLElement)) return;
    if (before?.entry.value !== entry.value) fill.style.width = `${100 * share}%`;
    if (before?.colour !== colour) fill.style.background = colour;
  }

  #keydown(event: KeyboardEvent): void {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!by || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    const root = this.node.getRootNode();
    const active = root instanceof ShadowRoot || root instanceof Document ? root.activeElement : null;
    const from = this.#lines.findIndex((line) => line.button === active);
    const to = this.#lines[Math.min(this.#shown - 1, Math.max(0, from + by))];
    for (const line of this.#lines) line.button.tabIndex = line === to ? 0 : -1;
    to?.button.focus();
  }
}
