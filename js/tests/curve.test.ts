import { expect, it } from "vitest";
import { inSight, lossScale, niceTicks, readPoints, stepScale } from "../src/curve.ts";

it("puts round ticks around the losses", () => {
  expect(niceTicks(1.02, 4.9, 5)).toEqual([1, 2, 3, 4, 5]);
  expect(niceTicks(0.1, 0.3, 5)).toEqual([0.1, 0.15, 0.2, 0.25, 0.3]);
  expect(niceTicks(2, 2, 5).length).toBeGreaterThan(1);
});

it("maps losses upwards and steps to the right, NaN aside", () => {
  const y = lossScale([1, 3, Number.NaN], 200, 0);
  expect([y.at(1), y.at(3)]).toEqual([200, 0]);
  const x = stepScale(500, 40, 540);
  expect([x.at(0), x.at(250), x.at(500)]).toEqual([40, 290, 540]);
});

it("lets the first fall leave the chart, nothing else", () => {
  const train = Array.from({ length: 100 }, (_, i) => ({ step: i + 1, loss: i < 3 ? 9 : 2 }));
  const losses = inSight(train, [{ step: 1, loss: 5 }], 1.5);
  expect([Math.max(...losses), Math.min(...losses), losses.length]).toEqual([5, 1.5, 99]);
  expect(inSight([{ step: 1, loss: 9 }], [], null)).toEqual([9]);
  expect(inSight(train, [], null, [1.5, 2.5, 3]).slice(-1)).toEqual([1.5]);
});

it("reads pairs of float32", () => {
  const view = new DataView(new ArrayBuffer(16));
  [1, 4.5, 2, Number.NaN].forEach((value, i) => view.setFloat32(4 * i, value, true));
  expect(readPoints(view)).toEqual([{ step: 1, loss: 4.5 }, { step: 2, loss: Number.NaN }]);
});
