import { expect, it } from "vitest";
import type { Answers } from "../src/answers.ts";
import type { Hit } from "../src/geometry.ts";
import { shownAxis } from "../src/lens.ts";
import { makeScene, Sorted } from "../src/scene.ts";
import type { Axes, State } from "../src/state.ts";

const axis = shownAxis(["a", "b"], null, null);
const answers = { look: { head: null, rows: axis, columns: axis }, ablation: null } as unknown as Answers;
const state = { query: null, key: null, locked: false, by_weight: false, pinned: [], selected: [] } as unknown as State;
const axes = { square: true, predictions: null } as unknown as Axes;
const at = (hover: Hit): [number, number | null] => {
  const { picture } = makeScene(answers, state, axes, hover, { row: 0, column: 0, rows: 2, columns: 2 }, new Sorted());
  return [picture.row, picture.column];
};

it("the pointer is in no cell of a matrix smaller than the one it was pointed at", () => {
  expect(at({ row: 0, column: 1 })).toEqual([0, 1]);
  expect(at({ row: 0, column: 5 })).toEqual([0, null]);
  expect(at({ row: null, column: 5 })).toEqual([1, null]);
  expect(at({ row: 7, column: 0 })).toEqual([1, null]);
});
