/** The traits of `HeadPanel` (attn_widgets/panels/heads.py) and what their values mean. */

import type { SpreadSpec } from "./spread.ts";
import type { About } from "./xml.ts";

/** One layer's attention; `queries` and `keys` are numbers of token lists. */
export interface Block {
  kind: "decoder" | "encoder" | "cross";
  layer: number;
  heads: number;
  queries: number;
  keys: number;
}

/** The likeliest next token of each row; a probability that is not finite is null. */
export interface Predictions {
  tokens: string[];
  probabilities: (number | null)[];
}

/** One trace: a moment of training, or (the last one) the panel's own. */
export interface Frame {
  step: number | null;
  tokens: string[][];
  blocks: Block[];
  predictions: Predictions | null;
  /** For each token list, where words begin (null where every token is one), and which tokens stand for no text. */
  words: (number[] | null)[];
  special: number[][];
  /** Numbers of the heads whose weights were sent, counted through all blocks. */
  sent: number[];
  /** For each block, how many planes of states were sent: one a head, or one for all. */
  planes: number[];
  /** Mean weight on the first token, for each head sent. */
  resting: (number | null)[];
}

/** Predictions with all heads and without one; `still` is what the first prediction has left. */
export interface Ablation {
  before: Predictions;
  after: Predictions;
  still: (number | null)[];
}

export interface Spec {
  title: string;
  /** Where each frame comes from: model's hash, run, text, version. */
  about?: About[];
  frames: Frame[];
  /** Of each frame that is a mean of texts. */
  spread?: (SpreadSpec | null)[];
  /** Whether there is a kernel to ask. */
  live: boolean;
  /** Whether heads can be switched off. */
  ablate: boolean;
  ablations: Record<string, Ablation>;
  /** Heads sent as pictures, in the order of their bytes. */
  pictures?: { moment: number; layer: number; head: number; size: number }[];
  note: string;
}

export interface HeadModel {
  layer: number;
  head: number;
  query: number | null;
  key: number | null;
  moment: number;
  mean: boolean;
  locked: boolean;
  ablated: boolean;
  how: "mean" | "max";
  over: "layer" | "all" | "pinned";
  pinned: [number, number][];
  selected: number[];
  value: "weight" | "score" | "log";
  words: boolean;
  hide_special: boolean;
  by_weight: boolean;
  threshold: number;
  top: number;
  last: number;
  _spec: Spec;
  _weights: DataView;
  _states: DataView;
  _pictures?: DataView;
  _spreads?: DataView;
  _snapshot: string;
}

export const headName = (layer: number, head: number): string => `L${layer}H${head}`;

/** Narrow a value that must be there; a message names what was not. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
