/** The training panel's widget: progress, figures and the loss curve. */

import type { AnyModel, AnyWidget, RenderProps } from "@anywidget/types";
import { drawChart, type Level } from "./chart.ts";
import { css } from "./colours.ts";
import { type Point, readPoints } from "./curve.ts";
import { h, say } from "./dom.ts";
import { mount } from "./mount.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { clock, thousands } from "./text.ts";
import { readTheme, type Theme } from "./theme.ts";

interface Validation {
  step: number;
  loss: number | null;
  nats_per_character: number | null;
}

interface Progress {
  phase: "start" | "step" | "validate" | "done" | "interrupted" | "stopped";
  step: number;
  steps: number;
  tokens_per_second: number;
  seconds: number;
  seconds_left: number;
  train_loss: number | null;
  validation: Validation | null;
  best: Validation | null;
  /** Whether all validations after the best one are worse. */
  turned: boolean;
  floor: number | null;
  /** Loss of n-gram models by their order. */
  rungs: [order: number, loss: number | null][];
  /** Which of them validation has beaten, in words. */
  beaten: string;
  note: string;
}

/** The traits of `TrainingPanel` (attn_widgets/panels/training.py). */
interface TrainingModel {
  _progress: Progress;
  _points: DataView;
  _validations: Validation[];
  _snapshot: string;
}

const HEIGHT = 220;
const PHASES: Record<Progress["phase"], string> = {
  start: "Starting",
  step: "Training",
  validate: "Validating",
  done: "Trained",
  interrupted: "Interrupted",
  stopped: "Stopped early",
};

const toPoint = ({ step, loss }: Validation): Point => ({ step, loss: loss ?? Number.NaN });
const loss = (value: number | null | undefined): string => (value == null ? "–" : value.toFixed(4));

function toLevels({ rungs, floor, best }: Progress): Level[] {
  const reached = best?.loss ?? Number.POSITIVE_INFINITY;
  const levels = rungs.flatMap(([order, loss]): Level[] =>
    loss === null ? [] : [{ loss, label: `${order}-gram ${loss.toFixed(3)}`, kind: loss > reached ? "beaten" : "ahead" }],
  );
  return floor === null ? levels : [...levels, { loss: floor, label: `floor ${floor.toFixed(3)}`, kind: "floor" }];
}

class TrainingView {
  readonly node: HTMLElement;
  #model: AnyModel<TrainingModel>;
  #theme: Theme | null = null;
  #probe = h("i", { class: "attn-probe", "aria-hidden": "true" });
  #name = h("h2", { class: "attn-name" });
  #count = h("div", { class: "attn-say" });
  #speed = h("div", { class: "attn-text" });
  #bar = h("div", { class: "attn-bar", role: "progressbar", "aria-label": "training", "aria-valuemin": 0 }, h("i"));
  #figures = h("dl", { class: "attn-figures" });
  #canvas = h("canvas", { role: "img" });
  #beaten = h("p", { class: "attn-note", role: "status" });
  #note = h("p", { class: "attn-note" });

  constructor(model: AnyModel<TrainingModel>, signal: AbortSignal) {
    this.#model = model;
    const top = h("header", { class: "attn-top" }, this.#name, this.#count, this.#speed);
    this.node = h("section", { class: "attn", "aria-label": "training" }, this.#probe, top, this.#bar, this.#figures, this.#canvas, this.#beaten, this.#note);
    new Redraw(model, ["_progress", "_points", "_validations"], [this.node, this.#canvas], signal, () => this.#update(), () => {
      this.#theme = null;
    });
  }

  #update(): void {
    const progress = this.#model.get("_progress");
    this.#theme ??= readTheme(this.node, this.#probe);
    this.#showWords(progress);
    this.#showFigures(progress, this.#theme);
    const chart = {
      train: readPoints(this.#model.get("_points")),
      validations: this.#model.get("_validations").map(toPoint),
      best: progress.best ? toPoint(progress.best) : null,
      turned: progress.turned,
      levels: toLevels(progress),
      steps: progress.steps,
    };
    drawChart(this.#canvas, chart, Math.min(innerWidth(this.node), 1000), HEIGHT, this.#theme, window.devicePixelRatio || 1);
    this.#canvas.setAttribute("aria-label", `loss by step: training ${loss(progress.train_loss)}, best validation ${loss(progress.best?.loss)}`);
  }

  #showWords(progress: Progress): void {
    const ended = ["done", "interrupted", "stopped"].includes(progress.phase);
    const percent = progress.steps ? Math.floor((100 * progress.step) / progress.steps) : 0;
    say(this.#name, PHASES[progress.phase]);
    say(this.#count, `step ${progress.step.toLocaleString("en")} of ${progress.steps.toLocaleString("en")} · ${percent} %`);
    const time = ended ? `in ${clock(progress.seconds)}` : `${clock(progress.seconds_left)} left`;
    say(this.#speed, progress.tokens_per_second ? `${thousands(progress.tokens_per_second)} tokens/s · ${time}` : "");
    const fill = this.#bar.firstElementChild;
    if (fill instanceof HTMLElement) fill.style.width = `${percent}%`;
    this.#bar.setAttribute("aria-valuenow", String(progress.step));
    this.#bar.setAttribute("aria-valuemax", String(Math.max(1, progress.steps)));
    say(this.#beaten, progress.beaten);
    this.#beaten.hidden = !progress.beaten;
    say(this.#note, progress.note);
    this.#note.hidden = !progress.note;
  }

  /** Numbers with the mark that they have in the chart. */
  #showFigures({ train_loss, validation, best, floor }: Progress, theme: Theme): void {
    const blue = theme.palette[theme.mode === "dark" ? 165 : 160];
    const rows: [string, string, string][] = [
      ["training loss", loss(train_loss), `border-top: 2px solid ${theme.muted}`],
      ["validation loss", loss(validation?.loss), `border-top: 3px solid ${blue ? css(blue) : theme.ink}`],
      ["best", best ? `${loss(best.loss)} at ${best.step.toLocaleString("en")}` : "–", `border: 1.6px solid ${theme.accent}; border-radius: 50%; width: 11px; height: 11px`],
      ["nats per character", loss(validation?.nats_per_character), ""],
    ];
    if (floor !== null) rows.push(["grammar’s floor", loss(floor), `border-top: 1px dashed ${theme.ink}`]);
    this.#figures.replaceChildren(
      ...rows.map(([name, value, mark]) => {
        const key = h("i", mark ? { style: mark } : { hidden: true });
        return h("div", {}, h("dt", {}, key, name), h("dd", {}, value));
      }),
    );
  }
}

function render({ model, el }: RenderProps<TrainingModel>): () => void {
  return mount(el, model, (signal) => new TrainingView(model, signal).node);
}

export default { render } satisfies AnyWidget<TrainingModel>;
