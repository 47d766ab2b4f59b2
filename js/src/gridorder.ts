/** Which head stands where in the grid, and where a key leads: pure. */

import { type Reading, numberOf } from "./griddata.ts";
import type { Block } from "./model.ts";

export type Place = readonly [layer: number, head: number];

/** A layer a row. */
export function byLayer(blocks: Block[]): Place[][] {
  return blocks.map((block, layer) => Array.from({ length: block.heads }, (_, head): Place => [layer, head]));
}

/** All heads by falling value in rows of `columns`; those without a number last, equals in reading order. */
export function byValue(blocks: Block[], columns: number, read: (layer: number, head: number) => Reading): Place[][] {
  const heads = byLayer(blocks).flat();
  const values = Float64Array.from(heads, (place) => numberOf(read(...place)));
  const first = Array.from(heads.keys()).filter((i) => !Number.isNaN(values[i]));
  const last = Array.from(heads.keys()).filter((i) => Number.isNaN(values[i]));
  // A sort keeps the order of equals.
  first.sort((a, b) => values[b]! - values[a]! || 0);
  const sorted = [...first, ...last].map((i) => heads[i]!);
  const rows: Place[][] = [];
  for (let at = 0; at < sorted.length; at += columns) rows.push(sorted.slice(at, at + columns));
  return rows;
}

/** Row and column of a head. */
export function locate(rows: Place[][], layer: number, head: number): [row: number, column: number] {
  for (const [row, places] of rows.entries()) {
    const column = places.findIndex((place) => place[0] === layer && place[1] === head);
    if (column >= 0) return [row, column];
  }
  return [0, 0];
}

const within = (to: number, size: number): number => Math.min(size - 1, Math.max(0, to));

/**
 * The head that a key leads to, or null where the key means nothing here. `flow` goes on in the next row where a row ends;
 * a page is `page` rows.
 */
export function steer(key: string, rows: Place[][], at: Place, flow: boolean, page: number): Place | null {
  const [row, column] = locate(rows, ...at);
  const go = (r: number, c: number): Place | null => {
    const places = rows[within(r, rows.length)] ?? [];
    return places[within(c, places.length)] ?? null;
  };
  const length = rows[row]?.length ?? 0;
  switch (key) {
    case "ArrowLeft":
      return flow && column === 0 && row > 0 ? go(row - 1, Number.POSITIVE_INFINITY) : go(row, column - 1);
    case "ArrowRight":
      return flow && column === length - 1 && row < rows.length - 1 ? go(row + 1, 0) : go(row, column + 1);
    case "ArrowUp":
      return go(row - 1, column);
    case "ArrowDown":
      return go(row + 1, column);
    case "Home":
      return go(row, 0);
    case "End":
      return go(row, length - 1);
    case "PageUp":
      return go(row - page, column);
    case "PageDown":
      return go(row + page, column);
    default:
      return null;
  }
}

/** The next head in the order shown, from the last one back to the first. */
export function nextPlace(rows: Place[][], at: Place): Place {
  const all = rows.flat();
  const here = all.findIndex((place) => place[0] === at[0] && place[1] === at[1]);
  return all[(here + 1) % all.length] ?? at;
}

/** First and last head of each group of query heads that share a key/value head; none where each has its own. */
export function groupsOf(heads: number, groups: number): [first: number, last: number][] {
  if (groups >= heads || groups < 1) return [];
  const size = heads / groups;
  return Array.from({ length: groups }, (_, group) => [group * size, (group + 1) * size - 1]);
}
