/** Affine maps of the plane, as a canvas numbers them: x' = ax + cy + e, y' = bx + dy + f. */

export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export const IDENTITY: Affine = [1, 0, 0, 1, 0, 0];

/** First `second`, then `first`. */
export function times(first: Affine, second: Affine): Affine {
  const [a, b, c, d, e, f] = first;
  const [k, l, m, n, o, p] = second;
  return [a * k + c * l, b * k + d * l, a * m + c * n, b * m + d * n, a * o + c * p + e, b * o + d * p + f];
}

export const apply = ([a, b, c, d, e, f]: Affine, x: number, y: number): [number, number] => [a * x + c * y + e, b * x + d * y + f];

export const turned = (angle: number): Affine => [Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle), 0, 0];

/** How much longer lines get. */
export const scaleOf = ([a, b, c, d]: Affine): number => Math.sqrt(Math.abs(a * d - b * c));

/** Whether it only moves and enlarges, the same in both directions. */
export const isUpright = ([a, b, c, d]: Affine): boolean => b === 0 && c === 0 && a === d && a > 0;

/** An arc of a circle as cubic pieces: start point, then three points each. */
export function arcPoints(x: number, y: number, radius: number, start: number, end: number, back: boolean): [number, number][] {
  const round = 2 * Math.PI;
  const ahead = back ? start - end : end - start;
  const turn = Math.min(ahead >= round ? round : ((ahead % round) + round) % round, round);
  const pieces = Math.max(1, Math.ceil(turn / (Math.PI / 2) - 1e-9));
  const step = ((back ? -1 : 1) * turn) / pieces;
  const reach = (4 / 3) * Math.tan(step / 4);
  const at = (angle: number, along = 0): [number, number] => [
    x + radius * (Math.cos(angle) - along * Math.sin(angle)),
    y + radius * (Math.sin(angle) + along * Math.cos(angle)),
  ];
  const points = [at(start)];
  for (let i = 0; i < pieces; i++) {
    const [from, to] = [start + i * step, start + (i + 1) * step];
    points.push(at(from, reach), at(to, -reach), at(to));
  }
  return points;
}
