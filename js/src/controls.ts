/** Small controls: a stepper (buttons, slider and text) and a toggle. */

import { h, say } from "./dom.ts";

/** ◀ slider ▶ over 0 … count − 1; hidden while there is nothing to choose. */
export class Stepper {
  readonly node: HTMLElement;
  #slider = h("input", { type: "range", min: 0, step: 1 });
  #text = h("output", { class: "attn-count" });
  #back: HTMLButtonElement;
  #on: HTMLButtonElement;
  #value = 0;
  #count = 1;

  constructor(name: string, signal: AbortSignal, changed: (value: number) => void) {
    this.#back = h("button", { type: "button", class: "attn-step", "aria-label": `previous ${name}` }, "‹");
    this.#on = h("button", { type: "button", class: "attn-step", "aria-label": `next ${name}` }, "›");
    this.#slider.setAttribute("aria-label", name);
    const label = h("span", { class: "attn-label" }, name);
    this.node = h("div", { class: "attn-stepper" }, label, this.#back, this.#slider, this.#on, this.#text);
    this.#back.addEventListener("click", () => changed(Math.max(0, this.#value - 1)), { signal });
    this.#on.addEventListener("click", () => changed(Math.min(this.#count - 1, this.#value + 1)), { signal });
    this.#slider.addEventListener("input", () => changed(Number(this.#slider.value)), { signal });
  }

  set(value: number, count: number, text: string): void {
    const shown = this.#slider.value === String(value) && this.#text.textContent === text;
    if (shown && value === this.#value && count === this.#count) return;
    this.#value = value;
    this.#count = count;
    this.#slider.max = String(count - 1);
    this.#slider.value = String(value);
    this.#slider.disabled = count < 2;
    this.#slider.setAttribute("aria-valuetext", text);
    this.#slider.style.setProperty("--share", String(count > 1 ? value / (count - 1) : 0));
    this.#back.disabled = value <= 0;
    this.#on.disabled = value >= count - 1;
    say(this.#text, text);
  }
}

/** A button that is on or off. */
export class Toggle {
  readonly node = h("button", { type: "button", class: "attn-toggle", "aria-pressed": "false" });

  constructor(text: string, signal: AbortSignal, changed: (on: boolean) => void) {
    say(this.node, text);
    this.node.addEventListener("click", () => changed(this.node.getAttribute("aria-pressed") !== "true"), { signal });
  }

  set(on: boolean, text?: string): void {
    if ((this.node.getAttribute("aria-pressed") === "true") !== on) this.node.setAttribute("aria-pressed", String(on));
    if (text !== undefined) say(this.node, text);
  }
}
