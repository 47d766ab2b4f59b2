/** A small view with tools, for tests/browser/test_tools.py: one head as a matrix with labels, and how to give it tools. */

import type { AnyWidget, RenderProps } from "@anywidget/types";
import { headTable } from "../src/csv.ts";
import { h } from "../src/dom.ts";
import { level } from "../src/colours.ts";
import { pixelRatio, within } from "../src/projector.ts";
import { Shell } from "../src/shell.ts";
import styles from "../src/styles.ts";
import { readTheme, type Theme } from "../src/theme.ts";
import { type Showing, Tools } from "../src/tools.ts";
import type { About } from "../src/xml.ts";

interface DemoModel {
  _spec: { title: string; tokens: string[]; about: About; empty?: boolean };
  _weights: DataView;
  _states: DataView;
}

const CELL = 30;
const LEFT = 120;
const TOP = 130;

class DemoView {
  readonly node: HTMLElement;
  readonly #shell: Shell;
  readonly #canvas = h("canvas", { role: "img", "aria-label": "a head" });
  readonly #spec: DemoModel["_spec"];
  readonly #head: { keys: number; weights: Float32Array; states: Uint8Array };

  constructor({ model }: RenderProps<DemoModel>, signal: AbortSignal) {
    this.#spec = model.get("_spec");
    const count = this.#spec.tokens.length;
    const [weights, states] = [model.get("_weights"), model.get("_states")];
    const values = new Float32Array(weights.buffer.slice(weights.byteOffset, weights.byteOffset + 4 * count * count) as ArrayBuffer);
    this.#head = { keys: count, weights: values, states: new Uint8Array(states.buffer as ArrayBuffer, states.byteOffset, count * count) };
    this.#shell = new Shell("demo", "a head", signal, () => {});
    const { root, figure, legend, table } = this.#shell;
    this.node = root;
    const tools = new Tools({ root, showing: () => this.#showing(), enlarged: () => this.#draw() }, signal);
    tools.node.append(table.node);
    legend.append(h("div", { class: "attn-keys" }, tools.node));
    figure.append(this.#canvas);
    this.#canvas.addEventListener("click", (event) => {
      const { x, y } = within(this.#canvas, event);
      this.#shell.tell(`cell ${Math.floor((y - TOP) / CELL)} ${Math.floor((x - LEFT) / CELL)}`);
    });
    requestAnimationFrame(() => this.#draw());
  }

  #showing(): Showing | null {
    const { tokens, title, about, empty } = this.#spec;
    if (empty) return null;
    const theme = readTheme(this.node, this.#shell.probe);
    const [width, height] = this.#size;
    return {
      name: "L0H0", title, width, height, theme, about, cells: tokens.length ** 2,
      scale: { colours: theme.palette, ticks: ["0", "0.5", "1"] },
      table: () => headTable(this.#head, tokens, tokens),
      draw: (context, ratio) => this.#paint(context, theme, ratio),
    };
  }

  get #size(): [number, number] {
    return [LEFT + CELL * this.#head.keys + 2, TOP + CELL * this.#head.keys + 2];
  }

  #draw(): void {
    const ratio = pixelRatio(this.node);
    const [width, height] = this.#size;
    Object.assign(this.#canvas, { width: Math.ceil(width * ratio), height: Math.ceil(height * ratio) });
    Object.assign(this.#canvas.style, { width: `${width}px`, height: `${height}px` });
    this.#canvas.dataset["cells"] = `${LEFT} ${TOP} ${CELL} ${CELL}`;
    const context = this.#canvas.getContext("2d");
    if (context) this.#paint(context, readTheme(this.node, this.#shell.probe), ratio);
    this.#shell.tell(this.#spec.title);
  }

  /** What every panel does in one way or another: a matrix painted small and scaled up, patterns, clips, upright text. */
  #paint(context: CanvasRenderingContext2D, theme: Theme, ratio: number): void {
    const { tokens } = this.#spec;
    const { keys, weights, states } = this.#head;
    const [width, height] = this.#size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const small = h("canvas", { width: keys, height: keys });
    const pixels = small.getContext("2d");
    const tile = h("canvas", { width: 6, height: 6 });
    const stripe = tile.getContext("2d");
    if (!pixels || !stripe) return;
    weights.forEach((weight, i) => {
      if (states[i] !== 0) return;
      pixels.fillStyle = `rgb(${theme.palette[level(weight)]?.join(" ")})`;
      pixels.fillRect(i % keys, Math.floor(i / keys), 1, 1);
    });
    stripe.strokeStyle = theme.hatch;
    stripe.moveTo(0, 6);
    stripe.lineTo(6, 0);
    stripe.stroke();
    context.save();
    context.beginPath();
    context.rect(LEFT, TOP, CELL * keys, CELL * keys);
    context.clip();
    context.fillStyle = context.createPattern(tile, "repeat") ?? theme.hatch;
    context.fillRect(LEFT, TOP, CELL * keys, CELL * keys);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, LEFT, TOP, CELL * keys, CELL * keys);
    context.restore();
    context.fillStyle = context.strokeStyle = theme.ink;
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    tokens.forEach((token, i) => {
      const at = (i + 0.5) * CELL;
      const label = token.length > 16 ? `${token.slice(0, 15)}…` : token;
      context.textAlign = "right";
      context.fillText(label, LEFT - 6, TOP + at);
      context.save();
      context.translate(LEFT + at, TOP - 6);
      context.rotate(-Math.PI / 2);
      context.textAlign = "left";
      context.fillText(label, 0, 0);
      context.restore();
    });
    context.strokeRect(LEFT, TOP, CELL * keys, CELL * keys);
    context.beginPath();
    context.arc(LEFT, TOP, 3, 0, 2 * Math.PI);
    context.fill();
  }
}

function render(props: RenderProps<DemoModel>): void {
  const host = h("div");
  const sheet = h("style");
  sheet.textContent = styles;
  host.attachShadow({ mode: "open" }).append(sheet, new DemoView(props, new AbortController().signal).node);
  props.el.append(host);
}

export default { render } satisfies AnyWidget<DemoModel>;
