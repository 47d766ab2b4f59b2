/** Puts a view into a shadow root, hides the static snapshot while it lives, and ends it cleanly. */

import { h } from "./dom.ts";
import styles from "./styles.ts";

/** A snapshot's id is made in Python; anything else does not get into a style sheet. */
const SNAPSHOT = /^attn-[0-9a-f]+$/;

export function mount(el: HTMLElement, snapshot: string, make: (signal: AbortSignal) => HTMLElement): () => void {
  const ended = new AbortController();
  const host = h("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = h("style");
  sheet.textContent = styles;
  try {
    root.append(sheet, make(ended.signal));
  } catch (error) {
    const reason = h("p", { role: "alert" });
    reason.textContent = `attn_widgets: ${error instanceof Error ? error.message : String(error)}`;
    root.append(reason);
  }
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
