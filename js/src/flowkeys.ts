/** What a key changes in a flow panel: pure. */

import type { Path, Wanted } from "./flowsource.ts";
import { type Action, NOTHING } from "./selection.ts";
import type { Axes, State } from "./state.ts";

/** `path` is the one on show, if it is here; `ranked` are its tokens at the layer stepped to. */
export function flowMove(wish: Action, axes: Axes, state: State, wanted: Wanted, path: Path | null, ranked: number[]): Partial<State> {
  const { frame, block, rows, columns } = axes;
  const inside = (to: number, count: number): number => Math.min(count - 1, Math.max(0, to));
  switch (wish.do) {
    case "head":
      if (wanted.heads === "head") return { head: inside(state.head + wish.by, block.heads) };
      return { layer: inside(state.layer + wish.by, frame.blocks.length) };
    case "layer":
      return { layer: inside(state.layer + wish.by, frame.blocks.length) };
    case "first":
      return { layer: path?.layers[0] ?? 0 };
    case "last":
      return { layer: path?.layers.at(-1) ?? frame.blocks.length - 1 };
    case "query":
      return { query: inside(wanted.query + wish.by, rows.length), locked: true };
    case "key":
      return { key: inside(state.key === null ? (ranked[0] ?? 0) : state.key + wish.by, columns.length) };
    case "lock":
      return state.locked ? NOTHING : { query: wanted.query, locked: true };
    case "unlock":
      return NOTHING;
    default:
      return {};
  }
}
