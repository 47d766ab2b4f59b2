import { describe, expect, it } from "vitest";
import fixture from "../../tests/data/panels.json";
import { inkOn, level, palettes, type Mode, type Rgb } from "../src/colours.ts";

/** OKLab's lightness, from its definition (Ottosson 2020). */
function lightness(colour: Rgb): number {
  const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s;
}

describe.each(["light", "dark"] as Mode[])("the %s scale", (mode) => {
  it("has the ends that Python has", () => {
    expect(palettes[mode][0]).toEqual(fixture.palette[mode]["0"]);
    expect(palettes[mode][255]).toEqual(fixture.palette[mode]["255"]);
  });

  it("goes in equal steps of lightness, so that equal differences look equal", () => {
    const l = palettes[mode].map(lightness);
    const whole = l[255]! - l[0]!;
    for (let i = 0; i < 256; i += 15) expect(Math.abs(l[i]! - l[0]! - (whole * i) / 255)).toBeLessThan(0.012);
  });

  it("can be read back to the weight within 1/255", () => {
    const first = new Map<string, number>();
    palettes[mode].forEach((colour, i) => {
      const same = first.get(String(colour)) ?? i;
      first.set(String(colour), same);
      expect(i - same).toBeLessThanOrEqual(1);
    });
  });
});

it("takes weights beyond the scale to its ends", () => {
  expect([-1, 0, 0.5, 1, 9].map(level)).toEqual([0, 0, 128, 255, 255]);
});

it("writes black on light and white on dark", () => {
  expect([inkOn([255, 255, 255]), inkOn([20, 30, 60])]).toEqual(["#000", "#fff"]);
});
