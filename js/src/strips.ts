/** Under the matrix: the row that is read, in the heads that are pinned, one strip a head. */

import { css, level } from "./colours.ts";
import type { Picture } from "./figure.ts";
import { setFont } from "./fonts.ts";
import { type Layout, STRIPS_GAP } from "./geometry.ts";
import type { Theme } from "./theme.ts";
import { shareOf, VALUE } from "./wire.ts";

export function drawStrips(
  context: CanvasRenderingContext2D,
  picture: Picture,
  layout: Layout,
  theme: Theme,
  label: (name: string) => string,
): void {
  const top = layout.y + layout.cellHeight * layout.rows + STRIPS_GAP;
  picture.strips.forEach(({ name, head, row }, i) => {
    const y = top + i * layout.strip;
    setFont(context, Math.min(12, layout.strip - 1), false, theme);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = theme.muted;
    context.fillText(label(name), layout.x - 7, y + layout.strip / 2);
    for (let column = layout.column0; row && column < layout.column0 + layout.columns; column++) {
      if (row.states[column] !== VALUE) continue;
      const weight = row.weights[column]!;
      const colour = Number.isFinite(weight) ? theme.palette[level(shareOf(head, weight))] : undefined;
      context.fillStyle = colour ? css(colour) : theme.nan;
      context.fillRect(layout.x + (column - layout.column0) * layout.cellWidth, y, layout.cellWidth, layout.strip - 2);
    }
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    context.strokeRect(layout.x - 0.5, y - 0.5, layout.cellWidth * layout.columns + 1, layout.strip - 1);
  });
}
