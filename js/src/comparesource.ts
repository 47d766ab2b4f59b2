/** Where heads of both sides come from: those sent with the panel, else asked of the kernel. */

import type { AnyModel } from "@anywidget/types";
import { type Cell, type CompareModel, type CompareSpec, decodeThree, difference, MEAN, packedBytes, readSides, type Three } from "./comparemodel.ts";
import { Link } from "./link.ts";
import { assert, headName } from "./model.ts";

/** Heads asked for are kept up to this many bytes. */
const KEPT = 64 << 20;
const MOST = 32;

export class CompareSource {
  readonly spec: CompareSpec;
  #link: Link;
  #pairs: DataView;
  #at = new Map<string, number>();
  #kept = new Map<string, Three>();
  #rows = new Map<string, Three>();
  #waiting = new Set<string>();
  /** Not asked for again until one steps: each drawing would ask anew. */
  #failed = new Set<string>();
  #changed: () => void;
  #fail: (reason: string) => void;
  #signal: AbortSignal;

  /** `changed` is called when an answer came; `fail` is told why one did not. */
  constructor(model: AnyModel<CompareModel>, signal: AbortSignal, changed: () => void, fail: (reason: string) => void) {
    this.spec = model.get("_spec");
    this.#pairs = model.get("_pairs");
    this.#link = new Link(model, this.spec.live, signal, fail);
    this.#changed = changed;
    this.#fail = fail;
    this.#signal = signal;
    let at = 0;
    for (const [layer, head] of this.spec.sent) {
      this.#at.set(`${layer}/${head}`, at);
      at += packedBytes(this.spec, layer);
    }
  }

  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  /** A head of both sides; null while the kernel is asked for it, or where it is not here. */
  three(layer: number, head: number): Three | null {
    const place = `${layer}/${this.#head(layer, head)}`;
    const known = this.#kept.get(place);
    if (known) return known;
    const at = this.#at.get(place);
    if (at !== undefined) {
      const three = decodeThree(this.spec, layer, this.#pairs, at);
      this.#keep(place, three);
      return three;
    }
    this.#ask(place, { ask: "pair", layer, ...which(head) }, nameOf(layer, head), (buffers) => {
      this.#keep(place, decodeThree(this.spec, layer, join(buffers)));
    });
    return null;
  }

  /** One row exactly, where the head is a picture; null while it is asked for. */
  row(layer: number, head: number, query: number): Three | null {
    const place = `${layer}/${this.#head(layer, head)}/${query}`;
    const known = this.#rows.get(place);
    if (known) return known;
    if (!this.#link.live) return null;
    this.#ask(place, { ask: "pair_row", layer, query, ...which(head) }, `row ${query} of ${nameOf(layer, head)}`, (buffers) => {
      const columns = this.spec.axes[this.spec.blocks[layer]?.columns ?? -1]?.labels.length ?? 0;
      const [left, right] = readSides(join(buffers), 0, 1, columns);
      if (this.#rows.size > 200) this.#rows.clear();
      this.#rows.set(place, { left, right, difference: difference(left, right), step: 1 });
    });
    return null;
  }

  /** Ask again for what could not be had. */
  retry(): void {
    this.#failed.clear();
  }

  /** What differs most over all heads, a layer after the other; `found` gets it as it comes. */
  async findLargest(found: (cells: Cell[], layers: number) => void): Promise<void> {
    let cells: Cell[] = [];
    for (let layer = 0; layer < this.spec.blocks.length && !this.#signal.aborted; layer++) {
      try {
        const [reply] = await this.#link.ask({ ask: "largest", layer }, "the list of differences");
        const more = reply["largest"];
        assert(Array.isArray(more), "the kernel's answer lacks the differences");
        cells = [...cells, ...(more as Cell[])].sort((a, b) => Math.abs(b[6] ?? 0) - Math.abs(a[6] ?? 0)).slice(0, MOST);
        found(cells, layer + 1);
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
        return;
      }
    }
  }

  /** The mean of a single head is that head. */
  #head(layer: number, head: number): number {
    return head === MEAN && this.spec.blocks[layer]?.heads === 1 ? 0 : head;
  }

  #ask(place: string, content: Record<string, unknown>, what: string, take: (buffers: DataView[]) => void): void {
    if (this.#waiting.has(place) || this.#failed.has(place)) return;
    this.#waiting.add(place);
    this.#link
      .ask(content, what)
      .then(([, buffers]) => take(buffers))
      .catch((error: unknown) => {
        this.#failed.add(place);
        if (!this.#signal.aborted) this.#fail(error instanceof Error ? error.message : String(error));
      })
      .finally(() => {
        this.#waiting.delete(place);
        this.#changed();
      });
  }

  #keep(place: string, three: Three): void {
    this.#kept.set(place, three);
    let size = 0;
    for (const { left } of this.#kept.values()) size += 15 * left.weights.length;
    for (const [old, { left }] of this.#kept) {
      if (size <= KEPT || old === place) break;
      this.#kept.delete(old);
      size -= 15 * left.weights.length;
    }
  }
}

const which = (head: number): Record<string, unknown> => (head === MEAN ? { mean: true } : { head });
const nameOf = (layer: number, head: number): string => (head === MEAN ? `the mean of layer ${layer}` : headName(layer, head));

/** Buffers of one answer as one. */
function join(buffers: DataView[]): DataView {
  const whole = new Uint8Array(buffers.reduce((size, buffer) => size + buffer.byteLength, 0));
  let at = 0;
  for (const buffer of buffers) {
    whole.set(new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength), at);
    at += buffer.byteLength;
  }
  return new DataView(whole.buffer);
}
