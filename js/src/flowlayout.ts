/** Where the columns, tokens and lines of a path stand: pure arithmetic, in CSS pixels. */

import { clamp } from "./geometry.ts";
import type { Edges, Path } from "./flowsource.ts";

export interface FlowLayout {
  /** Left edge of the first column, top edge of the first token. */
  x: number;
  y: number;
  /** From one column to the next. */
  pitch: number;
  /** Width of a column. */
  node: number;
  /** Room for a label. */
  label: number;
  cellHeight: number;
  columns: number;
  tokens: number;
  /** So many tokens share a cell; the largest share is drawn. */
  factor: number;
  /** Whether every token has a label. */
  named: boolean;
  width: number;
  height: number;
}

export interface Line {
  query: number;
  key: number;
  share: number;
}

/** Width of a column where there is room, and where there is little. */
export const NODE = 14;
const SLIM = 4;
/** Longest label, and what stands beside it: at the left the share, at the right only air. */
export const LABEL = 100;
const LEFT = 48;
const RIGHT = 16;
/** The word above the labels at the right. */
const OUTPUT = 40;
const TOP = 26;
const TALLEST = 560;
const ROOMY = 24;
const NAMED = 11;
const WIDEST = 210;

/** `label` is the width of the longest label. */
export function layFlow(width: number, columns: number, tokens: number, ratio: number, label = LABEL): FlowLayout {
  const x = LEFT + Math.max(OUTPUT, label);
  const room = Math.max(90, width - x - RIGHT - Math.max(OUTPUT, label));
  const pitch = columns > 1 ? Math.min(WIDEST, (room - NODE) / (columns - 1)) : 0;
  const node = columns > 1 ? Math.round(clamp(0.3 * pitch, SLIM, NODE)) : NODE;
  const factor = Math.max(1, Math.ceil(tokens / (TALLEST * ratio)));
  const cells = Math.max(1, Math.ceil(tokens / factor));
  const wanted = tokens <= 60 ? clamp(TALLEST / tokens, NAMED, ROOMY) : TALLEST / cells;
  const cellHeight = wanted * ratio >= 2 ? Math.floor(wanted * ratio) / ratio : wanted;
  const height = TOP + cellHeight * cells + 8;
  return { x, y: TOP, pitch, node, label, cellHeight, columns, tokens, factor, named: cellHeight >= NAMED && factor === 1, width, height };
}

export const columnAt = (layout: FlowLayout, column: number): number => layout.x + column * layout.pitch;

/** The middle of a token's place, also where several share a cell. */
export const tokenMiddle = (layout: FlowLayout, token: number): number => layout.y + ((token + 0.5) * layout.cellHeight) / layout.factor;

/** The lines that are drawn: the widest, down to the least share. */
export function linesOf({ queries, keys, shares }: Edges, most: number, least: number): Line[] {
  const lines: Line[] = [];
  for (let i = 0; i < Math.min(most, shares.length); i++) {
    if (shares[i]! < least) break;
    lines.push({ query: queries[i]!, key: keys[i]!, share: shares[i]! });
  }
  return lines;
}

/** How wide and how opaque a share is. */
export const lineLook = (share: number): { width: number; alpha: number } => {
  const part = clamp(share, 0, 1);
  return { width: 0.8 + 13 * part, alpha: 0.45 + 0.55 * Math.sqrt(part) };
};

/** Ends of the line of a layer, `place` from below: from the column that reads (right) to the one that is read. */
export function endsOf(layout: FlowLayout, place: number, line: Line): { left: [number, number]; right: [number, number] } {
  const left = columnAt(layout, place) + layout.node;
  return { left: [left, tokenMiddle(layout, line.key)], right: [columnAt(layout, place + 1), tokenMiddle(layout, line.query)] };
}

/** Height of the line at a share of its way from left to right: an S without overshoot, as it is drawn. */
export function heightAt([leftY, rightY]: [number, number], x: number): number {
  // The cubic with both control points at the middle: x and y as functions of t.
  let [low, high] = [0, 1];
  for (let i = 0; i < 24; i++) {
    const t = (low + high) / 2;
    if (1.5 * t * (1 - t) * (1 - t) + 1.5 * t * t * (1 - t) + t * t * t < x) low = t;
    else high = t;
  }
  return leftY + (rightY - leftY) * (3 * low * low - 2 * low * low * low);
}

export type FlowHit = { column: number; token: number } | { place: number; line: Line };

const NEAR = 5;

/** What is under a point: a token in a column (or its label), or a line. */
export function hitFlow(layout: FlowLayout, path: Path, most: number, least: number, px: number, py: number): FlowHit | null {
  const token = Math.floor(((py - layout.y) * layout.factor) / layout.cellHeight);
  const inside = token >= 0 && token < layout.tokens;
  const come = (column: number): boolean => inside && (path.shares[column]?.length ?? 0) > 0;
  if (px < layout.x + layout.node) return come(0) ? { column: 0, token: strongestNear(path, 0, token, layout.factor) } : null;
  const column = layout.pitch ? Math.floor((px - layout.x) / layout.pitch) : 0;
  if (px >= columnAt(layout, layout.columns - 1)) return inside ? { column: layout.columns - 1, token } : null;
  if (px - columnAt(layout, column) <= layout.node) return come(column) ? { column, token: strongestNear(path, column, token, layout.factor) } : null;
  const edges = path.edges[column];
  const along = (px - columnAt(layout, column) - layout.node) / (layout.pitch - layout.node);
  let nearest: { line: Line; far: number } | null = null;
  for (const line of edges ? linesOf(edges, most, least) : []) {
    const { left, right } = endsOf(layout, column, line);
    const far = Math.abs(heightAt([left[1], right[1]], along) - py) - lineLook(line.share).width / 2;
    if (far < (nearest?.far ?? NEAR)) nearest = { line, far };
  }
  return nearest && { place: column, line: nearest.line };
}

/** Of the tokens that share a cell the one with the largest share. */
function strongestNear(path: Path, column: number, token: number, factor: number): number {
  const shares = path.shares[column];
  const first = Math.floor(token / factor) * factor;
  let best = Math.min(first, path.tokens - 1);
  for (let at = first; at < Math.min(path.tokens, first + factor); at++) if ((shares?.[at] ?? 0) > (shares?.[best] ?? 0)) best = at;
  return best;
}

/** Of every `factor` shares the largest; NaN wins. */
export function reduceShares(shares: Float32Array, factor: number): Float32Array {
  if (factor === 1) return shares;
  return Float32Array.from({ length: Math.ceil(shares.length / factor) }, (_, i) =>
    shares.subarray(i * factor, (i + 1) * factor).reduce((a, b) => (Number.isNaN(a) || a >= b ? a : b)),
  );
}
