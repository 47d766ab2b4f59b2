/** The legend: the colour scale, the four states that are no colour on it, and how to read the figure. */

import { css } from "./colours.ts";
import { h, say } from "./dom.ts";
import type { Theme } from "./theme.ts";
import type { Head } from "./wire.ts";

/** As short as it may be: 0.25, -4.6, 12. */
export const tickText = (value: number): string => String(Number(value.toPrecision(2)));

export class Legend {
  readonly node: HTMLElement;
  /** The line of the scale and the states; has room at its end. */
  readonly keys: HTMLElement;
  #bar = h("span", { class: "attn-scale-bar" });
  #states: [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  #theme: Theme | null = null;
  #ticks: HTMLElement[];
  #reading = h("p", { class: "attn-reading" });

  constructor() {
    const swatch = (): HTMLElement => h("span", { class: "attn-swatch", "aria-hidden": "true" });
    this.#states = [swatch(), swatch(), swatch(), swatch()];
    const names = ["masked", "zero", "not a number", "not captured"];
    this.#ticks = ["0", "0.25", "0.5", "0.75", "1"].map((tick) => h("span", {}, tick));
    const about = { class: "attn-scale", role: "img", "aria-label": "colour scale of the weight, from 0 to 1" };
    const scale = h("div", about, this.#bar, h("span", { class: "attn-ticks" }, ...this.#ticks));
    this.keys = h("div", { class: "attn-keys" }, scale);
    this.keys.append(...this.#states.map((node, i) => h("span", { class: "attn-state" }, node, names[i] ?? "")));
    this.node = h("footer", { class: "attn-legend" }, this.keys, this.#reading);
  }

  /** Show the scale of a matrix, and how the figure is read. */
  set(theme: Theme, reading: string, head: Pick<Head, "low" | "high"> | null): void {
    say(this.#reading, reading);
    const low = head?.low ?? 0;
    const high = head?.high ?? 1;
    this.#ticks.forEach((tick, i) => say(tick, tickText(low + ((high - low) * i) / 4)));
    if (theme === this.#theme) return;
    this.#theme = theme;
    const stops = theme.palette.filter((_, i) => i % 15 === 0).map(css);
    this.#bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const [masked, zero, nan, unknown] = this.#states;
    const ground = theme.palette[0] ? css(theme.palette[0]) : theme.surface;
    masked.style.background = `repeating-linear-gradient(135deg, ${theme.hatch} 0 1px, transparent 1px 4px)`;
    zero.style.background = `radial-gradient(circle, ${theme.unknown} 1.2px, ${ground} 1.7px)`;
    nan.style.background = `linear-gradient(45deg, transparent 44%, ${theme.surface} 44% 56%, transparent 56%), linear-gradient(-45deg, ${theme.nan} 44%, ${theme.surface} 44% 56%, ${theme.nan} 56%)`;
    unknown.style.background = `radial-gradient(circle at 1px 1px, ${theme.unknown} 0.8px, transparent 1px) 0 0 / 4px 4px`;
  }
}
