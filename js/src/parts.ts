/** The elements of a head panel, put together once; knows nothing of the model. */

import { Stepper, Toggle } from "./controls.ts";
import { h } from "./dom.ts";
import { Figure } from "./figure.ts";
import { Options } from "./options.ts";
import { Legend } from "./legend.ts";
import { Ranking } from "./list.ts";
import type { State } from "./state.ts";

/** What the person asks for with a control. */
export interface Wishes {
  layer: (to: number) => void;
  head: (to: number) => void;
  row: (to: number) => void;
  moment: (to: number) => void;
  mean: (on: boolean) => void;
  ablated: (on: boolean) => void;
  play: (on: boolean) => void;
  playTime: (on: boolean) => void;
  table: (on: boolean) => void;
  set: (patch: Partial<State>) => void;
  pin: (on: boolean) => void;
  key: (index: number) => void;
  found: (index: number) => void;
}

const HELP =
  "Attention heads. Left and right arrow keys step heads, up and down layers; Home and End go to the first and last head; " +
  "with Shift they move the row and the column that are read; Enter locks the row, Escape unlocks it; Space plays; " +
  "plus and minus zoom, 0 shows all; with Control a click adds a row.";

export class Parts {
  readonly root: HTMLElement;
  readonly probe = h("i", { class: "attn-probe", "aria-hidden": "true" });
  readonly name = h("h2", { class: "attn-name" });
  readonly say = h("div", { class: "attn-say" });
  readonly text = h("div", { class: "attn-text" });
  readonly live = h("div", { class: "attn-off", role: "status", "aria-live": "polite" });
  readonly layer: Stepper;
  readonly head: Stepper;
  readonly row: Stepper;
  readonly moment: Stepper;
  readonly play: Toggle;
  readonly playTime: Toggle;
  readonly mean: Toggle;
  readonly ablated: Toggle;
  readonly table: Toggle;
  readonly options: Options;
  readonly more: Toggle;
  readonly figure = new Figure();
  readonly figureBox: HTMLElement;
  readonly body: HTMLElement;
  readonly keys: Ranking;
  readonly found: Ranking;
  readonly legend = new Legend();
  readonly tip = h("div", { class: "attn-tip", hidden: true, "aria-hidden": "true" });
  readonly tableBox = h("div", { class: "attn-tablebox", hidden: true, tabindex: 0, role: "region", "aria-label": "weights as a table" });
  readonly note = h("p", { class: "attn-note", hidden: true });
  readonly error = h("p", { class: "attn-error", role: "alert", hidden: true });

  constructor(wishes: Wishes, signal: AbortSignal) {
    this.layer = new Stepper("Layer", signal, wishes.layer);
    this.head = new Stepper("Head", signal, wishes.head);
    this.row = new Stepper("Row", signal, wishes.row);
    this.moment = new Stepper("Step", signal, wishes.moment);
    this.play = new Toggle("Play", signal, wishes.play);
    this.playTime = new Toggle("Play", signal, wishes.playTime);
    this.playTime.node.setAttribute("aria-label", "play training steps");
    this.mean = new Toggle("Mean of heads", signal, wishes.mean);
    this.ablated = new Toggle("Switch off", signal, wishes.ablated);
    this.options = new Options(signal, wishes.set, wishes.pin);
    this.more = new Toggle("Options", signal, (on) => {
      this.more.set(on);
      this.options.show(on);
    });
    this.more.node.classList.add("attn-last");
    this.table = new Toggle("View as table", signal, wishes.table);
    this.moment.node.classList.add("attn-time");
    this.keys = new Ranking(signal, wishes.key);
    this.found = new Ranking(signal, wishes.found);
    const { canvas } = this.figure;
    canvas.setAttribute("role", "img");
    this.figureBox = h("div", { class: "attn-figure", tabindex: 0, role: "group", "aria-label": HELP }, canvas);
    this.body = h("div", { class: "attn-body" }, this.figureBox, h("div", { class: "attn-side" }, h("div", {}, this.row.node, this.keys.node), this.found.node));
    this.moment.node.append(this.playTime.node);
    const controls = h(
      "div",
      { class: "attn-controls" },
      this.layer.node,
      this.head.node,
      this.play.node,
      this.mean.node,
      this.ablated.node,
      this.more.node,
      this.moment.node,
    );
    this.root = h(
      "section",
      { class: "attn", "aria-label": "attention heads" },
      this.probe,
      h("header", { class: "attn-top" }, this.name, this.say, this.text),
      controls,
      this.options.node,
      this.body,
      this.tableBox,
      this.legend.node,
      this.note,
      this.error,
      this.live,
      this.tip,
    );
  }
}
