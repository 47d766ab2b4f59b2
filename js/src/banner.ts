/** The line over a panel whose kernel has gone, and the controls that are of no use without it. */

import { h } from "./dom.ts";
import { type Channel, Pulse } from "./pulse.ts";

export const GONE = "The kernel is gone; what was loaded still works. Run the cell again.";

/** A control that only works with a kernel says so: `data-needs="kernel"`. */
const NEEDS = "[data-needs=kernel]";

export class Banner {
  readonly node = h("p", { class: "attn-banner", role: "alert", hidden: true });
  #root: ShadowRoot;
  #gone = false;

  constructor(model: Channel, root: ShadowRoot, signal: AbortSignal) {
    this.#root = root;
    new Pulse(model, signal, (life) => this.#set(life === "gone"));
    // Views mark their controls as they redraw them.
    const marked = new MutationObserver(() => this.#flag());
    marked.observe(root, { attributes: true, attributeFilter: ["data-needs"], subtree: true });
    signal.addEventListener("abort", () => marked.disconnect());
  }

  #set(gone: boolean): void {
    this.#gone = gone;
    this.node.hidden = !gone;
    // Set when it shows, so that it is read out then.
    this.node.textContent = gone ? GONE : "";
    this.#flag();
    this.#root.host.dispatchEvent(new CustomEvent("attn-kernel", { detail: { alive: !gone }, bubbles: true, composed: true }));
  }

  #flag(): void {
    for (const control of this.#root.querySelectorAll<HTMLElement>("[data-attn-off]")) {
      if (this.#gone && control.matches(NEEDS)) continue;
      control.inert = false;
      control.removeAttribute("data-attn-off");
    }
    if (!this.#gone) return;
    for (const control of this.#root.querySelectorAll<HTMLElement>(NEEDS)) {
      control.inert = true;
      control.setAttribute("data-attn-off", "");
    }
  }
}
