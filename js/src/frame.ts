/** What views on a shell set up alike: tools, theme, keys, tip, playing; and drawing when there is something to draw. */

import type { AnyModel } from "@anywidget/types";
import { Toggle } from "./controls.ts";
import type { Stepper } from "./controls.ts";
import { say } from "./dom.ts";
import { Legend } from "./legend.ts";
import type { Spec } from "./model.ts";
import { Player } from "./player.ts";
import { pixelRatio } from "./projector.ts";
import { innerWidth, Redraw } from "./redraw.ts";
import { wishOf } from "./keys.ts";
import type { Action } from "./selection.ts";
import { Shell } from "./shell.ts";
import type { Axes, State } from "./state.ts";
import { readTheme, type Theme } from "./theme.ts";
import { showTip } from "./tip.ts";
import { type Showing, Tools } from "./tools.ts";

/** What names a view to a screen reader, and which keys do what. */
export interface About {
  what: string;
  help: string;
}

/** What the view does when the frame calls. */
export interface Deeds {
  /** Show what the traits say. */
  draw(): void;
  /** What is copied and saved; null while it is not here. */
  showing(): Showing | null;
  /** One step of playing. */
  advance(): void;
  act(wish: Action): void;
  /** Follow the pointer over the figure; null when it has left. */
  point(event: PointerEvent | null): void;
}

export class Frame {
  readonly shell: Shell;
  readonly legend = new Legend();
  readonly play: Toggle;
  readonly #deeds: Deeds;
  readonly #player: Player;
  readonly #redraw: Redraw;
  #theme: Theme | null = null;

  /** Follows `traits`, and the sight of `canvas`. */
  constructor(model: Pick<AnyModel, "on" | "off">, traits: readonly string[], canvas: HTMLElement, { what, help }: About, deeds: Deeds, signal: AbortSignal) {
    this.#deeds = deeds;
    this.shell = new Shell(what, help, signal, this.soon);
    this.#player = new Player(signal, () => deeds.advance());
    this.play = new Toggle("Play", signal, (on) => this.playing(on));
    const { root, table } = this.shell;
    const tools = new Tools({ root, showing: () => deeds.showing(), enlarged: this.soon }, signal);
    tools.node.append(table.node);
    this.legend.keys.append(tools.node);
    this.#listen(signal);
    this.#redraw = new Redraw(model, traits, [root, canvas], signal, () => deeds.draw(), () => {
      this.#theme = null;
    });
  }

  /** Draw in the next frame. */
  readonly soon = (): void => this.#redraw.soon();

  /** Say in one line what went wrong. */
  readonly fail = (reason: string): void => this.shell.fail(reason);

  get theme(): Theme {
    return (this.#theme ??= readTheme(this.shell.root, this.shell.probe));
  }

  /** Room for what is drawn, in CSS pixels, and device pixels to one of them. */
  get size(): [width: number, ratio: number] {
    return [innerWidth(this.shell.root), pixelRatio(this.shell.root)];
  }

  playing(on: boolean): void {
    this.#player.set(on);
    this.soon();
  }

  /** Show what is the same in all views: the trace's title, its moment, whether it plays. */
  show(spec: Spec, state: State, axes: Axes, moment: Stepper): void {
    say(this.shell.text, [axes.kind && `${axes.kind} attention`, spec.title].filter(Boolean).join(" · "));
    moment.node.hidden = spec.frames.length < 2;
    moment.set(state.moment, spec.frames.length, axes.frame.step === null ? "now" : String(axes.frame.step));
    this.play.set(this.#player.on, this.#player.on ? "Pause" : "Play");
  }

  /** Put the tip under the pointer; '' hides it. */
  tip(event: PointerEvent, words: string): void {
    showTip(this.shell, event, words);
  }

  #listen(signal: AbortSignal): void {
    const { root, figure, tip } = this.shell;
    root.addEventListener("keydown", (event) => this.#keydown(event), { signal });
    figure.addEventListener("pointermove", (event) => this.#deeds.point(event), { signal });
    figure.addEventListener("pointerleave", () => {
      tip.hidden = true;
      this.#deeds.point(null);
    }, { signal });
  }

  #keydown(event: KeyboardEvent): void {
    const wish = wishOf(event);
    if (!wish) return;
    event.preventDefault();
    if (wish.do === "play") this.playing(!this.#player.on);
    else this.#deeds.act(wish);
  }
}
