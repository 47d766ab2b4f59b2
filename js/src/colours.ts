/** Weight to colour, from the JSON that attn_widgets/panels/colours.py reads too. */

import data from "../../attn_widgets/panels/colours.json";

export type Mode = "light" | "dark";
export type Rgb = readonly [number, number, number];

export function rgb(colour: string): Rgb {
  const n = Number.parseInt(colour.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** A colour as the four bytes of a pixel, in the order in which this machine reads them. */
export const opaque = (colour: Rgb): number => new Uint32Array(Uint8Array.of(...colour, 255).buffer)[0]!;

export const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;

/** 256 colours for the weights 0, 1/255, …, 1. */
function makePalette(stops: Rgb[]): Rgb[] {
  return Array.from({ length: 256 }, (_, i): Rgb => {
    const at = (i * (stops.length - 1)) / 255;
    const low = Math.min(Math.floor(at), stops.length - 2);
    const share = at - low;
    const a = stops[low]!;
    const b = stops[low + 1]!;
    const mix = (n: 0 | 1 | 2): number => Math.floor(a[n] * (1 - share) + b[n] * share + 0.5);
    return [mix(0), mix(1), mix(2)];
  });
}

export const palettes: Record<Mode, Rgb[]> = {
  light: makePalette(data.light.ramp.map(rgb)),
  dark: makePalette(data.dark.ramp.map(rgb)),
};

/** 256 colours for the differences −1, …, 1; the middle is no difference. */
export const diverging: Record<Mode, Rgb[]> = {
  light: makePalette(data.light.diverging.map(rgb)),
  dark: makePalette(data.dark.diverging.map(rgb)),
};

/** The step of a difference on the scale of 256. */
export const signedLevel = (difference: number): number => level((difference + 1) / 2);

export const marks = { light: data.light, dark: data.dark };

/** The step of a weight on the scale of 256; weights outside 0–1 take the near end. */
export const level = (weight: number): number => Math.floor(Math.min(1, Math.max(0, weight)) * 255 + 0.5);

/** Black or white, whichever is read better on a colour (WCAG's relative luminance). */
export function inkOn(colour: Rgb): string {
  const linear = (c: number): number => (c <= 10 ? c / 3294 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
  return light > 0.18 ? "#000" : "#fff";
}
