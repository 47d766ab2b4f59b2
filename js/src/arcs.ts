/** The arcs above the columns: from the token that is read to those it looks at. */

import { css, level } from "./colours.ts";
import type { Picture } from "./figure.ts";
import { arc, columnMiddle, type Layout, stroke } from "./geometry.ts";
import type { Theme } from "./theme.ts";
import { type Head, rowOf, VALUE } from "./wire.ts";

const FOOT = 4;

export function drawArcs(
  context: CanvasRenderingContext2D,
  picture: Picture,
  head: Head,
  layout: Layout,
  theme: Theme,
): void {
  const base = layout.arcs - FOOT;
  const row = picture.row;
  if (row >= picture.rows.length) return;
  // Where rows and columns are different tokens, the reader stands left of the columns.
  const from = picture.square ? columnMiddle(layout, row) : layout.x - 18;
  const read = rowOf(head, row);
  if (!read) return;
  const order = Array.from({ length: layout.columns }, (_, key) => layout.column0 + key)
    .filter((key) => read.states[key] === VALUE && read.weights[key]! >= 0.01)
    .sort((a, b) => read.weights[a]! - read.weights[b]!);
  context.lineCap = "round";
  for (const key of order) {
    const weight = read.weights[key]!;
    const look = stroke(weight);
    if (!look) continue;
    const colour = theme.palette[level(0.35 + 0.55 * Math.min(1, weight))];
    context.strokeStyle = context.fillStyle = colour ? css(colour) : theme.ink;
    context.globalAlpha = look.alpha;
    context.lineWidth = look.width;
    drawArc(context, from, columnMiddle(layout, key), base, layout);
    context.globalAlpha = 1;
  }
  context.beginPath();
  context.arc(from, base, 3, 0, 2 * Math.PI);
  context.fillStyle = theme.ink;
  context.fill();
}

function drawArc(context: CanvasRenderingContext2D, from: number, to: number, base: number, layout: Layout): void {
  context.beginPath();
  if (from === to) {
    // A token that looks at itself: a loop above it.
    const size = Math.min(14, layout.arcs / 3);
    context.moveTo(from, base);
    context.bezierCurveTo(from - 1.6 * size, base - 2 * size, from + 1.6 * size, base - 2 * size, from, base);
  } else {
    const shape = arc(from, to, base, layout.arcs - FOOT - 6);
    context.moveTo(from, base);
    context.bezierCurveTo(from, shape.control, to, shape.control, to, base);
  }
  context.stroke();
  context.beginPath();
  context.arc(to, base, Math.max(1.5, context.lineWidth / 2 + 0.5), 0, 2 * Math.PI);
  context.fill();
}
