/** Where the grid's layers come from: those sent with the panel, else asked one after the other until told to stop. */

import type { AnyModel } from "@anywidget/types";
import { decodeGrid, emptyLayer, type FoundLayer, type GridModel, type GridSpec, type Layer, type LayerPlace, takePiece } from "./griddata.ts";
import { Link } from "./link.ts";
import { assert, type Spec } from "./model.ts";
import { bytes, decodeFrames, floats, type Head, type Place } from "./wire.ts";

/** What is wanted: the moment on show, which layers first, and the cell whose weight is looked for. */
export interface Wanted {
  moment: number;
  first: number[];
  found: { layer: number; query: number; key: number } | null;
}

export class GridSource {
  readonly spec: Spec & { grid: GridSpec };
  /** Whether the person stopped what was under way. */
  stopped = false;
  readonly #link: Link;
  readonly #signal: AbortSignal;
  readonly #came: () => void;
  readonly #failed: (reason: string) => void;
  readonly #layers: Map<LayerPlace, Layer>;
  readonly #heads: Map<Place, Head>;
  readonly #found = new Map<string, FoundLayer>();
  #cell = "";
  #wanted: Wanted = { moment: 0, first: [], found: null };
  #running = false;

  constructor(model: AnyModel<GridModel>, signal: AbortSignal, came: () => void, failed: (reason: string) => void) {
    this.spec = model.get("_spec");
    this.#link = new Link(model, this.spec.live, signal, failed);
    this.#signal = signal;
    this.#came = came;
    this.#failed = failed;
    this.#layers = decodeGrid(this.spec.grid, this.spec.frames, model.get("_thumbnails"), model.get("_metrics"));
    this.#heads = decodeFrames(this.spec.frames, model.get("_weights"), model.get("_states"));
  }

  layer(moment: number, layer: number): Layer | undefined {
    return this.#layers.get(`${moment}/${layer}`);
  }

  /** Whether weights of a layer can be compared with those of another: they have the same tokens. */
  alike(moment: number, layer: number, other: number): boolean {
    const blocks = this.spec.frames[moment]?.blocks ?? [];
    return blocks[layer]?.queries === blocks[other]?.queries && blocks[layer]?.keys === blocks[other]?.keys;
  }

  /** Weights of a layer's heads on the cell that is wanted. */
  found(layer: number): FoundLayer | undefined {
    const { moment, found } = this.#wanted;
    if (!found) return undefined;
    const place = `${this.#cell}/${layer}`;
    const known = this.#found.get(place) ?? this.#foundHere(moment, layer, found.query, found.key);
    if (known) this.#found.set(place, known);
    return known;
  }

  /** Layers that are there and all of them, for the wanted moment. */
  get progress(): { done: number; all: number; busy: boolean } {
    const all = this.spec.frames[this.#wanted.moment]?.blocks.length ?? 0;
    const done = Array.from({ length: all }, (_, layer) => layer).filter((layer) => !this.#lacks(layer)).length;
    return { done, all, busy: this.#running && !this.stopped };
  }

  /** Ask for what is missing. */
  follow(wanted: Wanted): void {
    const { moment, found } = wanted;
    const cell = found ? [moment, found.query, found.key].join() : "";
    if (cell !== this.#cell) this.#found.clear();
    this.#cell = cell;
    this.#wanted = wanted;
    if (this.spec.live && !this.stopped && !this.#running) void this.#run();
  }

  stop(on: boolean): void {
    this.stopped = on;
    this.#failed("");
    this.follow(this.#wanted);
    this.#came();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (let layer = this.#next(); layer !== null && !this.stopped && !this.#signal.aborted; layer = this.#next()) {
        if (this.#lacksFound(layer)) await this.#askFound(layer);
        else await this.#askPiece(layer);
        this.#came();
      }
    } catch (error) {
      this.stopped = true;
      if (!this.#signal.aborted) this.#failed(error instanceof Error ? error.message : String(error));
    } finally {
      this.#running = false;
      this.#came();
    }
  }

  /** The layer to ask about next: cells before pictures, what is in view before the rest. */
  #next(): number | null {
    const count = this.spec.frames[this.#wanted.moment]?.blocks.length ?? 0;
    const order = [...this.#wanted.first, ...Array.from({ length: count }, (_, layer) => layer)];
    return order.find((layer) => this.#lacksFound(layer)) ?? order.find((layer) => this.#lacks(layer)) ?? null;
  }

  #lacks(layer: number): boolean {
    const here = this.layer(this.#wanted.moment, layer);
    return !here || here.have < here.heads;
  }

  #lacksFound(layer: number): boolean {
    const { moment, found } = this.#wanted;
    return found !== null && this.alike(moment, layer, found.layer) && !this.found(layer);
  }

  async #askPiece(number: number): Promise<void> {
    const { moment } = this.#wanted;
    const size = this.spec.grid.layers[moment]?.[number];
    const block = this.spec.frames[moment]?.blocks[number];
    assert(size && block, `there is no layer ${number} at moment ${moment}`);
    const place: LayerPlace = `${moment}/${number}`;
    const layer = this.#layers.get(place) ?? emptyLayer(size, block.heads, this.spec.grid.metrics.length);
    const [reply, [pictures, metrics]] = await this.#link.ask({ ask: "thumbnails", moment, layer: number, first: layer.have }, `layer ${number}`);
    const { first, heads, planes } = reply;
    assert(typeof first === "number" && typeof heads === "number" && typeof planes === "number", "the kernel's answer says not which heads it holds");
    assert(pictures && metrics, "the kernel's answer lacks its pictures");
    takePiece(layer, { first, heads, planes }, [pictures, 0], [metrics, 0]);
    this.#layers.set(place, layer);
  }

  async #askFound(layer: number): Promise<void> {
    const { moment, found } = this.#wanted;
    assert(found, "no cell is looked for");
    const place = `${this.#cell}/${layer}`;
    const { query, key } = found;
    const [, [weights, states]] = await this.#link.ask({ ask: "found", moment, layer, query, key }, "weights on a cell");
    const heads = this.spec.frames[moment]?.blocks[layer]?.heads ?? 0;
    assert(weights && states, "the kernel's answer lacks its weights");
    // Late answers about a cell that is no longer looked for are dropped.
    if (place.startsWith(`${this.#cell}/`)) this.#found.set(place, { weights: floats(weights, 0, heads), states: bytes(states, 0, heads) });
  }

  /** Read the cell off the weights that were sent with the panel. */
  #foundHere(moment: number, layer: number, query: number, key: number): FoundLayer | undefined {
    const count = this.spec.frames[moment]?.blocks[layer]?.heads ?? 0;
    const heads = Array.from({ length: count }, (_, head) => this.#heads.get(`${moment}/${layer}/${head}`));
    if (!heads.every((head) => head !== undefined)) return undefined;
    const at = (head: Head): number => query * head.keys + key;
    return {
      weights: Float32Array.from(heads, (head) => head.weights[at(head)] ?? Number.NaN),
      states: Uint8Array.from(heads, (head) => head.states[at(head)] ?? 2),
    };
  }
}
