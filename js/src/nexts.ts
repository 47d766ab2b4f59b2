/** Right of the rows: the token that is predicted next at each, and what it is without a head. */

import { type Picture, inWindow } from "./figure.ts";
import { setFont } from "./fonts.ts";
import { type Layout, rowMiddle } from "./geometry.ts";
import type { Predictions } from "./model.ts";
import { brief } from "./text.ts";
import type { Theme } from "./theme.ts";

/** `wide` is the room of one column of predictions; `label` cuts a token to what fits there. */
export function drawPredictions(
  context: CanvasRenderingContext2D,
  picture: Picture,
  layout: Layout,
  theme: Theme,
  wide: number,
  label: (token: string) => string,
): void {
  const { predictions, ablation } = picture;
  if (!predictions) return;
  const left = layout.x + layout.cellWidth * layout.columns + 14;
  const right = left + wide;
  setFont(context, 11, false, theme);
  context.fillStyle = theme.muted;
  context.textAlign = "left";
  context.fillText("predicts", left, layout.y - 12);
  if (ablation) context.fillText(`without ${ablation.name}`, right + 16, layout.y - 12);
  for (const [, row] of inWindow(picture.rows, layout.row0, layout.rows)) {
    const chosen = row === picture.row;
    if (!chosen && (row % layout.rowStep || Math.abs(row - picture.row) < layout.rowStep)) continue;
    prediction(context, predictions, row, [left, right], chosen, false, layout, theme, label);
    if (!ablation) continue;
    const { before, after } = ablation.result;
    const changed = before.tokens[row] !== after.tokens[row];
    prediction(context, after, row, [right + 16, layout.width - 2], chosen, changed, layout, theme, label);
  }
}

function prediction(
  context: CanvasRenderingContext2D,
  predictions: Predictions,
  row: number,
  [left, right]: [number, number],
  chosen: boolean,
  changed: boolean,
  layout: Layout,
  theme: Theme,
  label: (token: string) => string,
): void {
  const probability = predictions.probabilities[row] ?? null;
  if (probability === null) return;
  const y = rowMiddle(layout, row);
  setFont(context, layout.font, chosen || changed, theme);
  context.fillStyle = changed ? theme.accent : chosen ? theme.ink : theme.muted;
  context.textAlign = "left";
  context.fillText(label(predictions.tokens[row] ?? ""), left, y);
  setFont(context, layout.font, false, theme);
  context.textAlign = "right";
  context.fillText(brief(probability), right, y);
}
