/** What stands around every panel: name, words, controls, figure, legend, notes, the live line, a table and a tip. */

import { Toggle } from "./controls.ts";
import { h, say } from "./dom.ts";

export class Shell {
  readonly root: HTMLElement;
  readonly probe = h("i", { class: "attn-probe", "aria-hidden": "true" });
  readonly name = h("h2", { class: "attn-name" });
  readonly words = h("div", { class: "attn-say" });
  readonly text = h("div", { class: "attn-text" });
  readonly controls = h("div", { class: "attn-controls" });
  /** Holds the canvas; takes the focus and the keys. */
  readonly figure: HTMLElement;
  readonly body: HTMLElement;
  readonly side = h("div", { class: "attn-side" });
  readonly legend = h("footer", { class: "attn-legend" });
  readonly table: Toggle;
  readonly tableBox: HTMLElement;
  readonly tip = h("div", { class: "attn-tip", hidden: true, "aria-hidden": "true" });
  readonly #note = h("p", { class: "attn-note", hidden: true });
  readonly #error = h("p", { class: "attn-error", role: "alert", hidden: true });
  readonly #live = h("div", { class: "attn-off", role: "status", "aria-live": "polite" });

  /**
   * @param what Names the panel to a screen reader, as in "grid of heads".
   * @param help Which keys do what.
   * @param showTable Called when the table is opened, to fill `tableBox`.
   */
  constructor(what: string, help: string, signal: AbortSignal, showTable: () => void) {
    this.figure = h("div", { class: "attn-figure", tabindex: 0, role: "group", "aria-label": help });
    this.body = h("div", { class: "attn-body" }, this.figure, this.side);
    this.tableBox = h("div", { class: "attn-tablebox", hidden: true, tabindex: 0, role: "region", "aria-label": `${what} as a table` });
    this.table = new Toggle("View as table", signal, (on) => {
      this.tableBox.hidden = !on;
      this.table.set(on);
      if (on) showTable();
    });
    this.root = h(
      "section",
      { class: "attn", "aria-label": what },
      this.probe,
      h("header", { class: "attn-top" }, this.name, this.words, this.text),
      this.controls,
      this.body,
      this.tableBox,
      this.legend,
      this.#note,
      this.#error,
      this.#live,
      this.tip,
    );
  }

  /** What is shown, in words: on screen and, unless only the pointer moved, read out. */
  tell(shown: string, aloud = true): void {
    say(this.words, shown);
    if (aloud) say(this.#live, shown);
  }

  note(text: string): void {
    say(this.#note, text);
    this.#note.hidden = !text;
  }

  fail(reason: string): void {
    say(this.#error, reason);
    this.#error.hidden = !reason;
  }
}
