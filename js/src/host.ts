/** The page of an exported panel: runs the panel's own module on a model that lives in the page. */

import type { AnyModel, AnyWidget } from "@anywidget/types";

type Traits = Record<string, unknown>;

/** A model without a kernel: traits in an object, changes told to listeners. */
function staticModel(traits: Traits): AnyModel {
  const listeners = new Map<string, Set<(...args: unknown[]) => void>>();
  const changed = new Set<string>();
  const model = {
    get: (name: string) => traits[name],
    set(name: string, value: unknown): void {
      if (Object.is(traits[name], value)) return;
      traits[name] = value;
      changed.add(name);
    },
    on(event: string, listener: (...args: unknown[]) => void): void {
      const of = listeners.get(event) ?? new Set();
      listeners.set(event, of.add(listener));
    },
    off(event?: string | null, listener?: ((...args: unknown[]) => void) | null): void {
      if (event && listener) listeners.get(event)?.delete(listener);
    },
    save_changes(): void {
      const names = [...changed];
      changed.clear();
      for (const name of names) for (const listener of listeners.get(`change:${name}`) ?? []) listener();
    },
    send(): void {},
    widget_manager: { get_model: () => Promise.reject(new Error("an exported page has no kernel")) },
  };
  return model as AnyModel;
}

function fromBase64(text: string): DataView {
  const binary = atob(text);
  const data = new Uint8Array(binary.length); // filled in a loop: Uint8Array.from takes ten times as long
  for (let i = 0; i < data.length; i++) data[i] = binary.charCodeAt(i);
  return new DataView(data.buffer);
}

function read(id: string): string {
  const node = document.getElementById(id);
  if (!node?.textContent) throw new Error(`this page lacks its part ${id}`);
  return node.textContent;
}

async function start(): Promise<void> {
  const { traits, buffers } = JSON.parse(read("attn-data")) as { traits: Traits; buffers: Record<string, string> };
  for (const [name, text] of Object.entries(buffers)) traits[name] = fromBase64(text);
  const source = new TextDecoder().decode(fromBase64(read("attn-module")));
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: widget } = (await import(/* @vite-ignore */ url)) as { default: Exclude<AnyWidget, (...args: never) => unknown> };
  URL.revokeObjectURL(url);
  const el = document.getElementById("attn-panel");
  if (!el) throw new Error("this page lacks its panel");
  el.replaceChildren();
  const model = staticModel(traits);
  await widget.render?.({ model, el, signal: new AbortController().signal, host: undefined as never, experimental: undefined as never });
}

start().catch((error: unknown) => {
  const el = document.getElementById("attn-panel");
  if (el) el.textContent = `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
});
