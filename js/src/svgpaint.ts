/** Colours, patterns and fonts of a recorded drawing, in the words that every SVG program knows. */

import type { Affine } from "./affine.ts";
import { element } from "./xml.ts";

/** What measures texts and reads colours and fonts: a canvas of the page, never drawn on to be seen. */
export type Scratch = Pick<CanvasRenderingContext2D, "measureText" | "fillStyle" | "font" | "textBaseline">;

export interface Colour {
  colour: string;
  alpha: number;
}

const HEX = /^#[0-9a-f]{6}$/i;
const RGBA = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)(?:[\s,/]+([\d.]+))?\s*\)$/i;
const SRGB = /^color\(srgb ([-\d.e]+) ([-\d.e]+) ([-\d.e]+)(?: \/ ([\d.e]+))?\)$/i;

const hex = (parts: number[]): string =>
  `#${parts.map((part) => Math.min(255, Math.max(0, Math.round(part))).toString(16).padStart(2, "0")).join("")}`;

/** Any CSS colour as six hex digits and an opacity; null for what is none. */
export function readColour(scratch: Scratch, css: string): Colour | null {
  const read = (before: string): string => {
    scratch.fillStyle = before;
    scratch.fillStyle = css; // ignored where it is no colour
    return String(scratch.fillStyle);
  };
  const found = read("#000000");
  if (found === "#000000" && read("#ffffff") !== found) return null;
  if (HEX.test(found)) return { colour: found, alpha: 1 };
  const bytes = RGBA.exec(found);
  if (bytes) return { colour: hex([bytes[1], bytes[2], bytes[3]].map(Number)), alpha: Number(bytes[4] ?? 1) };
  const shares = SRGB.exec(found);
  if (shares) return { colour: hex([shares[1], shares[2], shares[3]].map((s) => 255 * Number(s))), alpha: Number(shares[4] ?? 1) };
  return null;
}

export interface Font {
  size: number;
  family: string;
  weight: string | undefined;
  style: string | undefined;
}

const FONT = /^(?<look>.*?)\s*(?<size>[\d.]+)px(?:\/\S+)?\s+(?<family>.+)$/;

/** A canvas font by its parts, as the page understands it. */
export function readFont(scratch: Scratch, css: string): Font {
  scratch.font = css;
  const { look = "", size = "10", family = "sans-serif" } = FONT.exec(scratch.font)?.groups ?? {};
  const weight = /\b(bold|[1-9]00|\d{3})\b/.exec(look)?.[1];
  return { size: Number(size), family, weight, style: /\b(italic|oblique)\b/.exec(look)?.[1] };
}

/** How far below the line of a baseline the letters' own baseline lies. */
export function baselineShift(scratch: Scratch, font: string, baseline: CanvasTextBaseline): number {
  if (baseline === "alphabetic") return 0;
  scratch.font = font;
  const ascent = (line: CanvasTextBaseline): number => {
    scratch.textBaseline = line;
    return scratch.measureText("x").actualBoundingBoxAscent;
  };
  return ascent("alphabetic") - ascent(baseline);
}

/** Something to fill with that is no plain colour; recorded where it is used, for it follows the transform there. */
export interface Definition {
  define(id: string, at: Affine): string;
}

/** A picture repeated in both directions. */
export class Pattern implements Definition {
  readonly #url: string;
  readonly #size: [number, number];

  constructor(url: string, width: number, height: number) {
    this.#url = url;
    this.#size = [width, height];
  }

  define(id: string, at: Affine): string {
    const [width, height] = this.#size;
    const image = element("image", { width, height, href: this.#url });
    return element("pattern", { id, width, height, patternUnits: "userSpaceOnUse", patternTransform: matrix(at) }, image);
  }
}

export class LinearGradient implements Definition {
  readonly #scratch: Scratch;
  readonly #ends: [number, number, number, number];
  #stops = "";

  constructor(scratch: Scratch, ends: [number, number, number, number]) {
    this.#scratch = scratch;
    this.#ends = ends;
  }

  addColorStop(offset: number, css: string): void {
    const { colour, alpha } = readColour(this.#scratch, css) ?? { colour: "#000000", alpha: 1 };
    this.#stops += element("stop", { offset, "stop-color": colour, "stop-opacity": alpha < 1 ? alpha : undefined });
  }

  define(id: string, at: Affine): string {
    const [x1, y1, x2, y2] = this.#ends;
    return element("linearGradient", { id, x1, y1, x2, y2, gradientUnits: "userSpaceOnUse", gradientTransform: matrix(at) }, this.#stops);
  }
}

/** A transform, with more digits than coordinates need: they are multiplied by it. */
export const matrix = (at: Affine): string => `matrix(${at.map((value) => Number(value.toFixed(6)) || 0).join(" ")})`;
