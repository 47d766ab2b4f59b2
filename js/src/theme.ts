/** The host's colours and font, read where they are in force, and followed when they change. */

import { marks, type Mode, palettes, type Rgb } from "./colours.ts";

export interface Theme {
  mode: Mode;
  ink: string;
  muted: string;
  line: string;
  surface: string;
  accent: string;
  font: string;
  palette: Rgb[];
  nan: string;
  unknown: string;
  hatch: string;
}

/** One device pixel, to turn any CSS colour into numbers. */
const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

function brightness(colour: string): number {
  if (!pixel) return 1;
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = pixel.getImageData(0, 0, 1, 1).data;
  return (0.299 * r + 0.587 * g + 0.114 * b) / 255;
}

/** Colours as `root` has them; dark is where its text is brighter than the middle. */
export function readTheme(root: HTMLElement, probe: HTMLElement): Theme {
  const resolve = (name: string): string => {
    probe.style.color = `var(--attn-${name})`;
    return getComputedStyle(probe).color;
  };
  const ink = resolve("ink");
  const mode: Mode = brightness(ink) > 0.5 ? "dark" : "light";
  return {
    mode,
    ink,
    muted: resolve("muted"),
    line: resolve("line"),
    surface: resolve("surface"),
    accent: resolve("accent"),
    font: getComputedStyle(root).fontFamily,
    palette: palettes[mode],
    nan: marks[mode].nan,
    unknown: marks[mode].unknown,
    hatch: marks[mode].hatch,
  };
}

/** Call back when the host or the system may have changed its colours. */
export function watchTheme(signal: AbortSignal, changed: () => void): void {
  const observer = new MutationObserver(changed);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  }
  signal.addEventListener("abort", () => observer.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed, { signal });
}
