/** The arithmetic of the loss curve: ticks and scales; knows nothing of the DOM. */

export interface Point {
  step: number;
  loss: number;
}

export interface Scale {
  ticks: number[];
  at: (value: number) => number;
}

/** Round numbers around a range, about so many steps of 1, 2 or 5 times a power of ten (as curve.py's). */
export function niceTicks(low: number, high: number, about: number): number[] {
  const span = high - low || Math.max(Math.abs(high), 1);
  const raw = span / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * (1 - 1e-9)) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Share of the steps done whose training losses may leave the chart at the top: the first fall dwarfs all that follows. */
const FALL = 0.04;

/** The losses that have to be in sight (as curve.py's `in_sight`); of the rungs those that something was above. */
export function inSight(train: Point[], validations: Point[], floor: number | null, rungs: number[] = []): number[] {
  const done = train.at(-1)?.step ?? 0;
  const settled = train.filter(({ step }) => step >= FALL * done);
  const seen = [...settled, ...validations].map(({ loss }) => loss).concat(floor ?? []);
  const highest = Math.max(...seen.filter(Number.isFinite));
  return seen.concat(rungs.filter((loss) => loss <= highest));
}

/** Losses on the vertical axis, from `bottom` up to `top`. */
export function lossScale(losses: number[], bottom: number, top: number): Scale {
  const finite = losses.filter(Number.isFinite);
  const ticks = finite.length ? niceTicks(Math.min(...finite), Math.max(...finite), 5) : [0, 1];
  const low = ticks[0] ?? 0;
  const high = ticks.at(-1) ?? 1;
  return { ticks, at: (loss) => bottom + ((top - bottom) * (loss - low)) / (high - low) };
}

/** Steps on the horizontal axis, 0 at `left`, the last one at `right`. */
export function stepScale(last: number, left: number, right: number): Scale {
  const ticks = niceTicks(0, Math.max(1, last), 5).filter((tick) => tick <= last);
  return { ticks, at: (step) => left + ((right - left) * step) / Math.max(1, last) };
}

/** Pairs of float32 (step, loss). */
export function readPoints(view: DataView): Point[] {
  return Array.from({ length: Math.floor(view.byteLength / 8) }, (_, i) => ({
    step: view.getFloat32(8 * i, true),
    loss: view.getFloat32(8 * i + 4, true),
  }));
}
