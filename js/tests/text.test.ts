import { describe, expect, it } from "vitest";
import { brief, clock, digits, fit, shorten, thousands } from "../src/text.ts";

describe("numbers", () => {
  it.each([
    [0.92134, "0.9213"],
    [1, "1.000"],
    [0, "0"],
    [0.00021234, "0.0002123"],
    [0.000021234, "2.123e-5"],
    [-0.5, "-0.5000"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "∞"],
    [null, "NaN"],
  ])("writes %d as %s", (value, text) => expect(digits(value)).toBe(text));

  it("is brief with two decimals", () => expect([brief(0.984), brief(Number.NEGATIVE_INFINITY)]).toEqual(["0.98", "-∞"]));
  it("tells time", () => expect([59.6, 61, 3_700, Number.NaN].map(clock)).toEqual(["1 min 0 s", "1 min 1 s", "1 h 1 min", "–"]));
  it("shortens thousands", () => expect([950, 12_345, 2_000_000].map(thousands)).toEqual(["950", "12.3k", "2.00M"]));
});

describe("fit", () => {
  const length = (text: string): number => text.length;
  it("leaves what fits", () => expect(fit("pizza", 5, length)).toBe("pizza"));
  it("cuts in the middle", () => expect(fit("abcdefghij", 5, length)).toBe("ab…ij"));
  it("keeps emoji and accents whole", () => {
    const family = "👩‍👩‍👧";
    expect(fit(`${family}abc${family}`, family.length + 2, length)).toBe(`${family}…`);
    expect(shorten(`e\u0301${"x".repeat(50)}`, 3)).toBe("e\u0301…");
  });
  it("is quick with a token of 100,000 characters", () => {
    let asked = 0;
    fit("x".repeat(100_000), 12, (text) => {
      asked += text.length;
      return text.length;
    });
    expect(asked).toBeLessThan(110_000);
  });
});
