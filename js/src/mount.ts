/** Puts a view into a shadow root under its banner, hides the static snapshot while it lives, and ends it cleanly. */

import type { AnyModel } from "@anywidget/types";
import { Banner } from "./banner.ts";
import { h } from "./dom.ts";
import styles from "./styles.ts";

/** A snapshot's id is made in Python; anything else does not get into a style sheet. */
const SNAPSHOT = /^attn-[0-9a-f]+$/;

/** What every panel's model has. */
type Model = Pick<AnyModel<{ _snapshot: string }>, "get" | "on" | "off" | "send">;

export function mount(el: HTMLElement, model: Model, make: (signal: AbortSignal) => HTMLElement): () => void {
  const ended = new AbortController();
  const host = h("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = h("style");
  sheet.textContent = styles;
  const banner = new Banner(model, root, ended.signal);
  root.append(sheet, banner.node);
  try {
    root.append(make(ended.signal));
  } catch (error) {
    const reason = h("p", { role: "alert" });
    reason.textContent = `attn_widgets: ${error instanceof Error ? error.message : String(error)}`;
    root.append(reason);
  }
  keepKeys(host, ended.signal);
  const snapshot = model.get("_snapshot");
  if (SNAPSHOT.test(snapshot)) {
    const hide = h("style");
    hide.textContent = `#${snapshot}, .jp-OutputArea-child:has(#${snapshot}) { display: none; }`;
    el.append(hide);
  }
  el.append(host);
  return () => {
    ended.abort();
    el.replaceChildren();
  };
}

/** Hosts on Lumino may look at keys on their way down, before a panel could stop them: keys without a modifier are ours. */
function keepKeys(host: HTMLElement, signal: AbortSignal): void {
  const mark = ({ ctrlKey, metaKey, altKey }: KeyboardEvent): void => {
    host.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey || altKey));
  };
  window.addEventListener("keydown", mark, { signal, capture: true });
}
