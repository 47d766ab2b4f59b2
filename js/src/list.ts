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

interface Line {
  node: HTMLLIElement;
  button: HTMLButtonElement;
  name: HTMLElement;
  bar: HTMLElement;
  number: HTMLElement;
}

/** More entries than this are summed up in words. */
const MOST = 64;

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

  set(title: string, entries: Entry[], foot: string, theme: Theme): void {
    say(this.#title, title);
    this.#list.setAttribute("aria-label", title);
    const shown = entries.slice(0, MOST);
    while (this.#lines.length < shown.length) this.#add();
    this.#lines.forEach((line, i) => {
      const entry = shown[i];
      line.node.hidden = !entry;
      if (entry) this.#fill(line, entry, theme);
    });
    this.#shown = shown.length;
    const focusable = this.#lines.find((line) => !line.node.hidden && line.node.contains(document.activeElement)) ?? this.#lines[0];
    for (const line of this.#lines) line.button.tabIndex = line === focusable ? 0 : -1;
    const rest = entries.slice(MOST);
    const more = rest.length ? `${rest.length} more, each at most ${rest[0]?.text}` : "";
    say(this.#foot, [more, foot].filter(Boolean).join(" · "));
  }

  #add(): void {
    const name = h("span", { class: "attn-entry-name" });
    const bar = h("span", { class: "attn-entry-bar", "aria-hidden": "true" }, h("i"));
    const number = h("span", { class: "attn-entry-number" });
    const button = h("button", { type: "button", class: "attn-entry" }, name, bar, number);
    const node = h("li", {}, button);
    this.#lines.push({ node, button, name, bar, number });
    this.#list.append(node);
  }

  #fill(line: Line, entry: Entry, theme: Theme): void {
    say(line.name, entry.name);
    line.name.title = entry.name;
    say(line.number, entry.text);
    line.button.setAttribute("aria-current", String(entry.current));
    const fill = line.bar.firstElementChild;
    if (!(fill instanceof HTMLElement)) return;
    const share = Number.isFinite(entry.value) ? Math.min(1, Math.max(0, entry.value)) : 0;
    fill.style.width = `${100 * share}%`;
    const colour = theme.palette[level(0.3 + 0.5 * share)];
    fill.style.background = colour ? css(colour) : "currentColor";
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
