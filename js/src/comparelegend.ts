/** The legend of a comparison: both scales, what is no number on them, and how to read the figure. */

import { css, diverging, type Rgb } from "./colours.ts";
import type { Axis } from "./comparemodel.ts";
import { h, say } from "./dom.ts";
import { shorten } from "./text.ts";
import type { Theme } from "./theme.ts";

export class CompareLegend {
  readonly node: HTMLElement;
  /** The line of the scales and the states; has room at its end. */
  readonly keys: HTMLElement;
  #bars = [h("span", { class: "attn-scale-bar" }), h("span", { class: "attn-scale-bar" })] as const;
  #states = ["masked", "zero, or no difference", "not a number", "not captured", "no counterpart"].map((name) => {
    const swatch = h("span", { class: "attn-swatch", "aria-hidden": "true" });
    return { swatch, node: h("span", { class: "attn-state" }, swatch, name) };
  });
  #reading = h("p", { class: "attn-reading" });
  #theme: Theme | null = null;

  constructor() {
    const scale = (bar: HTMLElement, about: string, ticks: string[]): HTMLElement => {
      const line = h("span", { class: "attn-ticks" }, ...ticks.map((tick) => h("span", {}, tick)));
      return h("div", { class: "attn-scale", role: "img", "aria-label": about }, bar, line);
    };
    this.keys = h(
      "div",
      { class: "attn-keys" },
      scale(this.#bars[0], "colour scale of the weight, from 0 to 1", ["0", "0.5", "1"]),
      scale(this.#bars[1], "colour scale of the difference, from −1 to +1", ["−1", "0", "+1"]),
      ...this.#states.map(({ node }) => node),
    );
    this.node = h("div", {}, this.keys, this.#reading);
  }

  /** `axes` are those on show; `step` says how many cells a side one point stands for, `part` what is in sight. */
  set(theme: Theme, names: [string, string], axes: [Axis, Axis], step: number, part: string): void {
    const [one, other] = names.map((name) => shorten(name, 24));
    const reduced = step > 1 ? ` Each point is the largest of ${step}×${step} cells.` : "";
    say(this.#reading, `A row is the reading position, a column is what it looks at. Orange: less in ${other} than in ${one}; blue: more.${reduced}${part}`);
    const lacking = axes.some(({ leftOnly, rightOnly }) => leftOnly.length + rightOnly.length > 0);
    this.#states[4]!.node.hidden = !lacking;
    if (theme === this.#theme) return;
    this.#theme = theme;
    const shades = (palette: Rgb[]): string => palette.filter((_, i) => i % 15 === 0).map(css).join(", ");
    this.#bars[0].style.background = `linear-gradient(to right, ${shades(theme.palette)})`;
    this.#bars[1].style.background = `linear-gradient(to right, ${shades(diverging[theme.mode])})`;
    const ground = theme.palette[0] ? css(theme.palette[0]) : theme.surface;
    const looks = [
      `repeating-linear-gradient(135deg, ${theme.hatch} 0 1px, transparent 1px 4px)`,
      `radial-gradient(circle, ${theme.unknown} 1.2px, ${ground} 1.7px)`,
      `linear-gradient(45deg, transparent 44%, ${theme.surface} 44% 56%, transparent 56%), linear-gradient(-45deg, ${theme.nan} 44%, ${theme.surface} 44% 56%, ${theme.nan} 56%)`,
      `radial-gradient(circle at 1px 1px, ${theme.unknown} 0.8px, transparent 1px) 0 0 / 4px 4px`,
      `linear-gradient(to bottom, transparent 46%, ${theme.unknown} 46% 54%, transparent 54%)`,
    ];
    this.#states.forEach(({ swatch }, i) => {
      swatch.style.background = looks[i] ?? "";
    });
  }
}
