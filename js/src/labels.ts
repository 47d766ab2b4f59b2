/** Where the words of a chart go so that none covers another or a line (as panels/labels.py); knows nothing of the DOM. */

export type Spot = [x: number, y: number];

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const middle = (crowd: number[]): number => crowd.reduce((sum, height) => sum + height, 0) / crowd.length;

/**
 * Heights in the order of the wanted ones, at least `gap` apart, and within bounds where there is room. Where they
 * crowd they stand around the middle of what they want.
 */
export function spread(wanted: number[], gap: number, top: number, bottom: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const start = (crowd: number[]): number => middle(crowd) - (gap * crowd.length) / 2;
  const crowds: number[][] = [];
  for (const i of order) {
    let crowd = [wanted[i] ?? 0];
    for (let above = crowds.at(-1); above && start(above) + gap * above.length > start(crowd); above = crowds.at(-1)) {
      crowd = [...above, ...crowd];
      crowds.pop();
    }
    crowds.push(crowd);
  }
  const heights = crowds.flatMap((crowd) => crowd.map((_, at) => start(crowd) + gap * (at + 0.5)));
  const placed = [...wanted];
  // Nothing below the bottom, then nothing above the top.
  heights.reduceRight((edge, height, at) => (heights[at] = Math.min(height, edge - gap)), bottom + gap);
  order.reduce((edge, i, at) => (placed[i] = Math.max(heights[at] ?? 0, edge + gap)), top - gap);
  return placed;
}

/**
 * Middle of a label of a size near the point `at`, within bounds: of the places around it the one that covers the
 * fewest points of the curves and the fewest level lines.
 */
export function beside(at: Spot, width: number, height: number, bounds: Box, points: Spot[], levels: number[]): Spot {
  const covered = ([x, y]: Spot): number => {
    const over = points.filter(([px, py]) => Math.abs(px - x) <= width / 2 + 3 && Math.abs(py - y) <= height / 2 + 2);
    const near = Math.abs(at[0] - x) <= width / 2 + 3 && Math.abs(at[1] - y) <= height / 2 + 5;
    return over.length + 4 * levels.filter((level) => Math.abs(level - y) <= height / 2).length + (near ? 20 : 0);
  };
  let best: Spot = at;
  let least = Number.POSITIVE_INFINITY;
  for (const distance of [14, 26, 40]) {
    for (const side of [0, 1, -1]) {
      for (const way of [1, -1]) {
        const place: Spot = [
          Math.min(Math.max(at[0] + (side * width) / 2, bounds.left + width / 2), bounds.right - width / 2),
          Math.min(Math.max(at[1] + way * distance, bounds.top + height / 2), bounds.bottom - height / 2),
        ];
        const count = covered(place);
        if (count < least) [best, least] = [place, count];
      }
    }
  }
  return best;
}

/** Points at most about `step` apart on the lines between points. */
export function along(points: Spot[], step = 6): Spot[] {
  return points.flatMap(([x, y], i): Spot[] => {
    const before = points[i - 1];
    if (!before) return [[x, y]];
    const pieces = Math.max(1, Math.round(Math.max(Math.abs(x - before[0]), Math.abs(y - before[1])) / step));
    return Array.from({ length: pieces }, (_, k): Spot => {
      const share = (k + 1) / pieces;
      return [before[0] + (x - before[0]) * share, before[1] + (y - before[1]) * share];
    });
  });
}
