/** The graph of a path: columns of tokens coloured by share, and lines as wide as theirs. */

import { css, level } from "./colours.ts";
import { columnAt, endsOf, type FlowHit, type FlowLayout, LABEL, layFlow, type Line, lineLook, linesOf, reduceShares, tokenMiddle } from "./flowlayout.ts";
import { isWhole, type Path, reached } from "./flowsource.ts";
import { placeOf, rank } from "./flowwords.ts";
import { paintMatrix } from "./heatmap.ts";
import { spread } from "./labels.ts";
import { size } from "./lanes.ts";
import { brief, fit } from "./text.ts";
import type { Theme } from "./theme.ts";

/** Everything the figure shows at one moment. */
export interface FlowPicture {
  path: Path;
  tokens: string[];
  query: number;
  /** The layer stepped to: its lines stand out. */
  layer: number;
  marked: number | null;
  edges: number;
  least: number;
  hover: FlowHit | null;
}

/** Of more tokens, some tell how wide they are. */
const MEASURED = 300;
/** Tokens that are named where there is no room for all: so many at most, from this share on. */
const FEW = 20;
const WORTH = 0.01;

export class FlowFigure {
  readonly canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d");
  layout: FlowLayout | null = null;

  draw(picture: FlowPicture, width: number, theme: Theme, ratio: number): void {
    const { path, tokens } = picture;
    const layout = layFlow(width, path.shares.length, path.tokens, ratio, this.#longest(tokens, theme));
    this.layout = layout;
    size(this.canvas, layout.width, layout.height, ratio);
    this.canvas.dataset["cells"] = [layout.x, layout.y, layout.pitch, layout.cellHeight].join(" ");
    const context = this.#context;
    if (context) this.paint(context, picture, layout, theme, ratio);
  }

  /** Width of the longest label. */
  #longest(tokens: string[], theme: Theme): number {
    const context = this.#context;
    if (!context) return LABEL;
    context.font = `600 12px ${theme.font}`;
    const measure = (text: string): number => context.measureText(text).width;
    const some = tokens.filter((_, i) => i % Math.ceil(tokens.length / MEASURED) === 0);
    return Math.ceil(Math.max(...some.map((token) => Math.min(LABEL, measure(fit(token, LABEL, measure))))));
  }

  /** Paint into any context: the panel's own, a larger one, or one that records. */
  paint(context: CanvasRenderingContext2D, picture: FlowPicture, layout: FlowLayout, theme: Theme, ratio: number): void {
    const { path } = picture;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, layout.width, layout.height);
    context.textBaseline = "middle";
    drawHeads(context, picture, layout, theme);
    path.edges.forEach((_, place) => drawLines(context, picture, place, layout, theme));
    path.shares.forEach((shares, column) => drawColumn(context, shares, column, layout, theme, ratio));
    drawNames(context, picture, layout, theme);
    drawMarks(context, picture, layout, theme);
  }
}

/** Names above the columns and, between them, of the layers. */
function drawHeads(context: CanvasRenderingContext2D, { path, layer }: FlowPicture, layout: FlowLayout, theme: Theme): void {
  const stepped = placeOf(path, layer);
  context.textAlign = "center";
  path.layers.forEach((number, place) => {
    const on = place === stepped;
    context.font = `${on ? "600 " : ""}12px ${theme.font}`;
    context.fillStyle = on ? theme.ink : theme.muted;
    if (!on && Math.abs(place - stepped) * layout.pitch < 26) return;
    if (on || layout.pitch >= 30 || place % Math.ceil(30 / layout.pitch) === 0) {
      context.fillText(`L${number}`, columnAt(layout, place) + (layout.pitch + layout.node) / 2, 9);
    }
  });
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.textAlign = "right";
  context.fillText("input", layout.x - 10, 9);
  context.textAlign = "left";
  context.fillText("output", columnAt(layout, layout.columns - 1) + layout.node + 10, 9);
}

function drawLines(context: CanvasRenderingContext2D, picture: FlowPicture, place: number, layout: FlowLayout, theme: Theme): void {
  const { path, edges, least, hover } = picture;
  const layer = path.edges[place];
  if (!layer) return;
  const on = place === placeOf(path, picture.layer);
  const pointed = hover && "line" in hover && hover.place === place ? hover.line : null;
  const same = (line: Line): boolean => line.query === pointed?.query && line.key === pointed.key;
  for (const line of linesOf(layer, edges, least).reverse()) {
    const { width, alpha } = lineLook(line.share);
    const colour = theme.palette[level(0.5 + 0.4 * Math.min(1, line.share))];
    context.strokeStyle = same(line) ? theme.accent : colour ? css(colour) : theme.ink;
    context.globalAlpha = same(line) ? 1 : on ? alpha : 0.6 * alpha;
    context.lineWidth = width;
    drawLine(context, endsOf(layout, place, line));
  }
  context.globalAlpha = 1;
}

function drawLine(context: CanvasRenderingContext2D, { left, right }: ReturnType<typeof endsOf>): void {
  const middle = (left[0] + right[0]) / 2;
  context.beginPath();
  context.moveTo(...right);
  context.bezierCurveTo(middle, right[1], middle, left[1], ...left);
  context.stroke();
}

/** Tokens of a column as the heatmap paints them: colours, zeros and what is no number. */
function drawColumn(context: CanvasRenderingContext2D, shares: Float32Array, column: number, layout: FlowLayout, theme: Theme, ratio: number): void {
  if (!shares.length) return drawAwaited(context, column, layout, theme);
  const weights = reduceShares(shares, layout.factor);
  const head = { queries: weights.length, keys: 1, weights, states: new Uint8Array(weights.length), resting: null };
  const strip = paintMatrix(head, { cellWidth: layout.node, cellHeight: layout.cellHeight }, theme, ratio);
  context.drawImage(strip, columnAt(layout, column), layout.y, layout.node, layout.cellHeight * weights.length);
}

/** Where a column will stand that has not come yet. */
function drawAwaited(context: CanvasRenderingContext2D, column: number, layout: FlowLayout, theme: Theme): void {
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(columnAt(layout, column) + 0.5, layout.y + 0.5, layout.node - 1, layout.height - layout.y - 9);
}

/** Left, the tokens that are drawn on with their shares at the input; right, the one that is followed. */
function drawNames(context: CanvasRenderingContext2D, picture: FlowPicture, layout: FlowLayout, theme: Theme): void {
  const { path, tokens, query, marked } = picture;
  const shares = path.shares[reached(path)] ?? new Float32Array();
  const few = [...new Set([...(marked === null ? [] : [marked]), ...rank(shares).filter((token, place) => place < 5 || shares[token]! >= WORTH).slice(0, FEW)])].sort((a, b) => a - b);
  const named = layout.named ? tokens.map((_, token) => token) : few;
  const foot = layout.height - 8;
  const heights = spread(named.map((token) => tokenMiddle(layout, token)), 13, layout.y, foot);
  const cut = (text: string): string => fit(text, layout.label, (part) => context.measureText(part).width);
  named.forEach((token, i) => {
    const share = shares[token] ?? 0;
    const y = heights[i] ?? 0;
    const strong = token === marked || token === query;
    context.font = `${strong ? "600 " : ""}12px ${theme.font}`;
    context.fillStyle = token === marked ? theme.accent : share >= 0.05 || strong ? theme.ink : theme.muted;
    context.textAlign = "right";
    context.fillText(cut(tokens[token] ?? ""), layout.x - 42, y);
    context.font = `11px ${theme.font}`;
    if (share !== 0 && isWhole(path)) context.fillText(brief(share), layout.x - 8, y);
    if (!layout.named) drawLeader(context, layout, y, tokenMiddle(layout, token), theme);
  });
  context.textAlign = "left";
  context.font = `600 12px ${theme.font}`;
  context.fillStyle = theme.ink;
  context.fillText(cut(tokens[query] ?? ""), columnAt(layout, layout.columns - 1) + layout.node + 10, tokenMiddle(layout, query));
}

/** From a label that had to make room to where its token stands. */
function drawLeader(context: CanvasRenderingContext2D, layout: FlowLayout, from: number, to: number, theme: Theme): void {
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(layout.x - 6, from);
  context.lineTo(layout.x - 1, to);
  context.stroke();
}

function drawMarks(context: CanvasRenderingContext2D, { path, layer, marked, query, hover }: FlowPicture, layout: FlowLayout, theme: Theme): void {
  const ring = (column: number, token: number, colour: string): void => {
    const high = Math.max(5, layout.cellHeight);
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.strokeRect(columnAt(layout, column) - 1, tokenMiddle(layout, token) - high / 2 - 0.5, layout.node + 2, high + 1);
  };
  ring(layout.columns - 1, query, theme.ink);
  if (marked !== null) ring(placeOf(path, layer), marked, theme.accent);
  if (hover && "token" in hover) ring(hover.column, hover.token, theme.accent);
}
