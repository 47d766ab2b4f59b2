/** The kinds of attention of an encoder–decoder, and where each one was left: pure. */

import type { Block, Spec } from "./model.ts";

export type Kind = Block["kind"];

/** What reads what. */
export const READS: Record<Kind, string> = {
  encoder: "source reads source",
  decoder: "target reads target",
  cross: "target reads source",
};

export class Kinds {
  /** In the order of their first layers. */
  readonly all: Kind[];
  #blocks: Block[];
  #left = new Map<Kind, number>();

  constructor(spec: Spec) {
    this.#blocks = spec.frames.at(-1)?.blocks ?? [];
    this.all = [...new Set(this.#blocks.map(({ kind }) => kind))];
  }

  layers(kind: Kind): number[] {
    return this.#blocks.flatMap((block, layer) => (block.kind === kind ? [layer] : []));
  }

  /** Remember that one is at a layer; returns its kind. */
  visit(layer: number): Kind {
    const kind = this.#blocks[layer]?.kind ?? this.all[0] ?? "decoder";
    this.#left.set(kind, layer);
    return kind;
  }

  /** The layer at which a kind was left, at first its first one. */
  layerOf(kind: Kind): number {
    return this.#left.get(kind) ?? this.layers(kind)[0] ?? 0;
  }

  /** Whether rows (or columns) of two layers are the same tokens, so that a selection may stay. */
  shares(axis: "queries" | "keys", one: number, other: number): boolean {
    return this.#blocks[one]?.[axis] === this.#blocks[other]?.[axis];
  }
}

/** The tab that a key leads to; null leaves the key to others. */
export function tabOf(key: string, at: number, count: number): number | null {
  switch (key) {
    case "ArrowLeft":
      return (at + count - 1) % count;
    case "ArrowRight":
      return (at + 1) % count;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}

/** "layers 0–2", "layers 3, 5", "layer 4". */
export function layersText(layers: number[]): string {
  const [first = 0, ...more] = layers;
  const last = layers.at(-1) ?? first;
  if (!more.length) return `layer ${first}`;
  if (layers.length > 2 && last - first === layers.length - 1) return `layers ${first}–${last}`;
  return layers.length <= 4 ? `layers ${layers.join(", ")}` : `${layers.length} layers, ${first} to ${last}`;
}
