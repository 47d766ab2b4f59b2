/** Brings the parts of a head panel into the state that is shown. */

import { say } from "./dom.ts";
import type { Picture } from "./figure.ts";
import type { Layout } from "./geometry.ts";
import { headName, type Spec } from "./model.ts";
import type { Parts } from "./parts.ts";
import { pixelRatio } from "./projector.ts";
import { innerWidth } from "./redraw.ts";
import { type Axes, canAblate, type State } from "./state.ts";
import type { Theme } from "./theme.ts";

/** Width of the numbers beside the figure, with the gap. */
const SIDE = 268;

/** Draw with the numbers beside the figure where that leaves its cells large enough, else below. */
export function drawFitting({ root, body, figure }: Parts, picture: Picture, theme: Theme): void {
  const width = innerWidth(root);
  const ratio = pixelRatio(root);
  const below = figure.measure(picture, width, theme, ratio);
  const beside = figure.measure(picture, width - SIDE, theme, ratio);
  const fits = (layout: Layout): boolean => layout.cellWidth >= 12 || layout.cellWidth >= 0.85 * below.cellWidth;
  const stacked = width < 560 || !fits(beside);
  body.dataset["stacked"] = String(stacked);
  figure.draw(picture, stacked ? below : beside, theme, ratio);
}

/** Set every control; `playing` tells which of the two players runs. */
export function setControls(
  parts: Parts,
  spec: Spec,
  state: State,
  { frame, block }: Axes,
  picture: Picture,
  playing: { heads: boolean; time: boolean },
): void {
  parts.layer.set(state.layer, frame.blocks.length, String(state.layer));
  parts.head.set(state.head, block.heads, String(state.head));
  parts.row.set(picture.row, picture.rows.length, String(picture.row));
  parts.moment.node.hidden = spec.frames.length < 2;
  parts.moment.set(state.moment, spec.frames.length, frame.step === null ? "now" : String(frame.step));
  parts.mean.set(state.mean, state.how === "max" ? "Maximum of heads" : "Mean of heads");
  const lists = [block.queries, block.keys];
  const words = lists.some((list) => frame.words[list]);
  const special = lists.some((list) => frame.special[list]?.length);
  parts.options.set(state, words, special, picture.head?.tiles !== undefined);
  parts.ablated.node.hidden = !spec.ablate;
  parts.ablated.node.disabled = !canAblate(spec, state);
  parts.ablated.node.dataset["needs"] = spec.ablations[headName(state.layer, state.head)] ? "" : "kernel";
  parts.ablated.set(state.ablated && canAblate(spec, state), `Switch off ${headName(state.layer, state.head)}`);
  parts.play.set(playing.heads, playing.heads ? "Pause" : "Play");
  parts.playTime.set(playing.time, playing.time ? "Pause" : "Play");
  parts.table.set(!parts.tableBox.hidden);
  say(parts.note, spec.note);
  parts.note.hidden = !spec.note;
}
