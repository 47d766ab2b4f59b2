import { describe, expect, it } from "vitest";
import { crc32, withTexts } from "../src/png.ts";

/** The smallest picture, as another program wrote it. */
const PIXEL = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="),
  (c) => c.charCodeAt(0),
);

function chunks(png: Uint8Array): [string, Uint8Array][] {
  const view = new DataView(png.buffer, png.byteOffset);
  const found: [string, Uint8Array][] = [];
  for (let at = 8; at < png.length; ) {
    const length = view.getUint32(at);
    const type = new TextDecoder().decode(png.subarray(at + 4, at + 8));
    expect(view.getUint32(at + 8 + length)).toBe(crc32(png.subarray(at + 4, at + 8 + length)));
    found.push([type, png.subarray(at + 8, at + 8 + length)]);
    at += 12 + length;
  }
  return found;
}

describe("texts in a PNG", () => {
  it("has the checksum of the standard", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });

  it("stand after the header, each whole, and leave the picture as it was", () => {
    const out = chunks(withTexts(PIXEL, { Title: "L1H3", Description: "‹start›" }, 288));
    expect(out.map(([type]) => type)).toEqual(["IHDR", "pHYs", "tEXt", "iTXt", "IDAT", "IEND"]);
    const text = (i: number): string => new TextDecoder().decode(out[i]?.[1]);
    expect(text(2)).toBe("Title\0L1H3");
    expect(text(3)).toBe("Description\0\0\0\0\0‹start›");
    expect(new DataView(out[1]![1].slice().buffer).getUint32(0)).toBe(11339);
    expect(out[4]![1]).toEqual(chunks(PIXEL)[1]![1]);
  });
});
