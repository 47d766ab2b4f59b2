/** How the figure is to be read, in words: what was left out, merged, sorted or reduced is said. */

import type { Picture } from "./figure.ts";
import { summed } from "./readout.ts";
import type { State } from "./state.ts";
import { quoted } from "./text.ts";
import type { Head } from "./wire.ts";

/** `step` cells along each side stand behind a point of the picture; `whole`: all of the matrix is in sight. */
export function reading(state: State, picture: Picture, step: number, whole: boolean): string {
  const parts = ["A row is the reading position, a column is what it looks at."];
  if (picture.predictions) parts.push("Right of a row stands the token that the model predicts next there, with its probability.");
  if (state.value === "score") parts.push("Colours are scores before the softmax.");
  if (state.value === "log") parts.push("Colours are natural logarithms of weights, from 1/10,000 on.");
  if (picture.head && step === 0) parts.push("The picture is on its way.");
  if (step > 1) parts.push(`Each point is the maximum of ${step}×${step} cells; zoom in (+) for all of them.`);
  if (!whole) {
    const { row, column, rows, columns } = picture.window;
    const all = `${picture.rows.length} by ${picture.columns.length}`;
    parts.push(`Rows ${row} to ${row + rows - 1}, columns ${column} to ${column + columns - 1} of ${all}; 0 shows all.`);
  }
  if (state.threshold) parts.push(`Weights under ${state.threshold} are left out.`);
  if (state.top) parts.push(`Of each row the ${state.top} strongest are shown.`);
  if (state.words) parts.push("Sub-words are merged: summed over keys, averaged over queries.");
  if (state.by_weight) parts.push("Columns are sorted by the row that is read.");
  return parts.join(" ");
}

/** The row that is read, or several summed, as a row of a head; with the title of its ranking. */
export function rowsRead({ head, row, selected, rows }: Picture): { of: Head | null; row: number; title: string } {
  if (!rows.length) return { of: null, row, title: "" };
  const together = [...new Set([row, ...selected])];
  const names = together.map((one) => quoted(rows[one] ?? ""));
  if (!head || together.length < 2) return { of: head, row, title: `${names[0]} looks at` };
  return { of: summed(head, together), row: 0, title: `${names.join(" + ")} look at, summed` };
}
