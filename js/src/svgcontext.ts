/**
 * Records what a panel draws as an SVG: stands in for a canvas's context, so that the same drawing function writes
 * vector lines and true text. Holds the part of CanvasRenderingContext2D that the panels use.
 */

import { type Affine, apply, isUpright, scaleOf } from "./affine.ts";
import { baselineShift, type Colour, type Definition, LinearGradient, matrix, Pattern, readColour, readFont, type Scratch } from "./svgpaint.ts";
import { SvgPath } from "./svgpath.ts";
import { type About, element, escape, metadata, number } from "./xml.ts";

/** What can be drawn into a drawing: a canvas, or whatever a canvas can draw. */
type Source = CanvasImageSource & { width: number; height: number };

const LOOK = {
  fillStyle: "#000000" as string | Definition,
  strokeStyle: "#000000" as string | Definition,
  lineWidth: 1,
  lineCap: "butt" as CanvasLineCap,
  lineJoin: "miter" as CanvasLineJoin,
  miterLimit: 10,
  lineDashOffset: 0,
  globalAlpha: 1,
  font: "10px sans-serif",
  textAlign: "start" as CanvasTextAlign,
  textBaseline: "alphabetic" as CanvasTextBaseline,
  imageSmoothingEnabled: true,
};
type Look = typeof LOOK;

interface Saved {
  look: Look;
  matrix: Affine;
  dash: number[];
  clip: string | undefined;
}

export class SvgContext extends SvgPath {
  readonly canvas: { width: number; height: number };
  readonly #scratch: Scratch;
  readonly #size: [number, number];
  #dash: number[] = [];
  #clip: string | undefined;
  #look: Look = { ...LOOK };
  #saved: Saved[] = [];
  #body: string[] = [];
  #open: string | undefined;
  #defs = new Map<string, { id: string; text: string }>();
  #colours = new Map<string, Colour | null>();

  /**
   * @param ratio Device pixels in a unit of the picture: what a panel multiplies its transform by.
   * @param scratch Measures texts and reads colours.
   */
  constructor(width: number, height: number, ratio: number, scratch: Scratch) {
    super(ratio);
    this.#size = [width, height];
    this.canvas = { width: Math.ceil(width * ratio), height: Math.ceil(height * ratio) };
    this.#scratch = scratch;
    for (const name of Object.keys(LOOK) as (keyof Look)[]) {
      Object.defineProperty(this, name, { get: () => this.#look[name], set: (value) => Object.assign(this.#look, { [name]: value }) });
    }
  }

  /** The recorder as the panels' drawing functions take it. */
  get context(): CanvasRenderingContext2D {
    return this as unknown as CanvasRenderingContext2D;
  }

  /** The picture on a ground, saying what it is. */
  svg(title: string, about: About, ground: string): string {
    this.#wrap(undefined);
    const [width, height] = this.#size;
    const paper = this.#colour(ground);
    const parts = [
      metadata(title, about),
      this.#defs.size ? element("defs", {}, [...this.#defs.values()].map(({ text }) => text).join("")) : "",
      paper ? element("rect", { width, height, fill: paper.colour }) : "",
      ...this.#body,
    ];
    const root = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${number(width)} ${number(height)}` };
    return element("svg", root, parts.join(""));
  }

  save(): void {
    this.#saved.push({ look: { ...this.#look }, matrix: this.matrix, dash: this.#dash, clip: this.#clip });
  }

  restore(): void {
    const saved = this.#saved.pop();
    if (saved) ({ look: this.#look, matrix: this.matrix, dash: this.#dash, clip: this.#clip } = saved);
  }

  setLineDash(dash: number[]): void {
    this.#dash = dash.length % 2 ? [...dash, ...dash] : [...dash];
  }

  getLineDash(): number[] {
    return [...this.#dash];
  }

  fill(rule?: unknown): void {
    this.#shape(this.path, this.#paint("fill"), rule);
  }

  stroke(path?: unknown): void {
    this.#shape(this.path, { fill: "none", ...this.#line() }, path);
  }

  clip(rule?: unknown): void {
    noPath2D(rule);
    const shape = element("path", { d: this.path.join(""), "clip-rule": rule === "evenodd" ? "evenodd" : undefined });
    const inner = this.#clip ? { "clip-path": `url(#${this.#clip})` } : {};
    this.#clip = this.#define("clip", (id) => element("clipPath", { id, ...inner }, shape));
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.#rectangle([x, y, width, height], this.#paint("fill"));
  }

  strokeRect(x: number, y: number, width: number, height: number): void {
    this.#rectangle([x, y, width, height], { fill: "none", ...this.#line() });
  }

  /** Everything goes away where all is cleared; the picture has one ground, so no part of it is ever seen through. */
  clearRect(x: number, y: number, width: number, height: number): void {
    const [left, top] = apply(this.whole, x, y);
    const [right, bottom] = apply(this.whole, x + width, y + height);
    if (left <= 0 && top <= 0 && right >= this.#size[0] && bottom >= this.#size[1]) [this.#body, this.#open] = [[], undefined];
  }

  measureText(text: string): TextMetrics {
    this.#scratch.font = this.#look.font;
    this.#scratch.textBaseline = this.#look.textBaseline;
    return this.#scratch.measureText(text);
  }

  fillText(text: string, x: number, y: number): void {
    this.#text(text, x, y, this.#paint("fill"));
  }

  strokeText(text: string, x: number, y: number): void {
    this.#text(text, x, y, { fill: "none", ...this.#line() });
  }

  createLinearGradient(x0: number, y0: number, x1: number, y1: number): LinearGradient {
    return new LinearGradient(this.#scratch, [x0, y0, x1, y1]);
  }

  createPattern(source: Source, _repetition: string | null): Pattern {
    return new Pattern(dataUrl(source), source.width, source.height);
  }

  drawImage(source: Source, ...where: number[]): void {
    const cut = where.length > 4;
    const [x = 0, y = 0, width = source.width, height = source.height] = cut ? where.slice(4) : where;
    const href = cut ? dataUrl(cropped(source, where)) : dataUrl(source);
    if (!href.startsWith("data:image/png;base64,") || !(width > 0 && height > 0)) return;
    const style = this.#look.imageSmoothingEnabled ? undefined : "image-rendering:pixelated";
    const opacity = this.#look.globalAlpha < 1 ? this.#look.globalAlpha : undefined;
    const at = this.whole;
    const place = isUpright(at) ? this.#upright(at, [x, y, width, height]) : { x, y, width, height, transform: matrix(at) };
    this.#put(element("image", { ...place, preserveAspectRatio: "none", opacity, style, href }));
  }

  #upright(at: Affine, [x, y, width, height]: [number, number, number, number]): Record<string, number> {
    const [left, top] = apply(at, x, y);
    return { x: left, y: top, width: width * at[0], height: height * at[3] };
  }

  #rectangle(box: [number, number, number, number], look: Record<string, string | number | undefined>): void {
    const at = this.whole;
    const [x, y, width, height] = box;
    const positive: typeof box = [Math.min(x, x + width), Math.min(y, y + height), Math.abs(width), Math.abs(height)];
    if (isUpright(at)) return this.#put(element("rect", { ...this.#upright(at, positive), ...look }));
    const path = this.path;
    this.path = [];
    this.rect(...box);
    this.#shape(this.path, look);
    this.path = path;
  }

  #shape(path: string[], look: Record<string, string | number | undefined>, rule?: unknown): void {
    noPath2D(rule);
    if (!path.length) return;
    this.#put(element("path", { d: path.join(""), "fill-rule": rule === "evenodd" ? "evenodd" : undefined, ...look }));
  }

  #text(text: string, x: number, y: number, look: Record<string, string | number | undefined>): void {
    if (!text) return;
    const { font, textAlign, textBaseline } = this.#look;
    const { size, family, weight, style } = readFont(this.#scratch, font);
    const at = this.whole;
    const below = y + baselineShift(this.#scratch, font, textBaseline);
    const upright = isUpright(at);
    const [left, top] = upright ? apply(at, x, below) : [x, below];
    const anchor = { right: "end", end: "end", center: "middle", left: undefined, start: undefined }[textAlign];
    const attributes = {
      x: left,
      y: top,
      "font-size": upright ? size * at[0] : size,
      "font-family": family,
      "font-weight": weight,
      "font-style": style,
      "text-anchor": anchor,
      transform: upright ? undefined : matrix(at),
      "xml:space": /^\s|\s$|\s\s/.test(text) ? "preserve" : undefined,
    };
    this.#put(element("text", { ...attributes, ...look }, escape(text)));
  }

  #line(): Record<string, string | number | undefined> {
    const { lineWidth, lineCap, lineJoin, miterLimit, lineDashOffset } = this.#look;
    const longer = scaleOf(this.whole);
    return {
      ...this.#paint("stroke"),
      "stroke-width": lineWidth * longer,
      "stroke-linecap": lineCap === "butt" ? undefined : lineCap,
      "stroke-linejoin": lineJoin === "miter" ? undefined : lineJoin,
      "stroke-miterlimit": lineJoin === "miter" ? miterLimit : undefined,
      "stroke-dasharray": this.#dash.length ? this.#dash.map((length) => number(length * longer)).join(" ") : undefined,
      "stroke-dashoffset": lineDashOffset ? lineDashOffset * longer : undefined,
    };
  }

  /** Attributes of the fill or the stroke, as it is now. */
  #paint(kind: "fill" | "stroke"): Record<string, string | number | undefined> {
    const style = kind === "fill" ? this.#look.fillStyle : this.#look.strokeStyle;
    const alpha = this.#look.globalAlpha;
    if (typeof style !== "string") {
      const at = this.whole;
      const id = this.#define("paint", (name) => style.define(name, at));
      return { [kind]: `url(#${id})`, [`${kind}-opacity`]: alpha < 1 ? alpha : undefined };
    }
    const found = this.#colour(style) ?? { colour: "#000000", alpha: 1 };
    const opacity = alpha * found.alpha;
    return { [kind]: found.colour, [`${kind}-opacity`]: opacity < 1 ? opacity : undefined };
  }

  #colour(css: string): Colour | null {
    const known = this.#colours.get(css);
    if (known !== undefined) return known;
    const read = readColour(this.#scratch, css);
    this.#colours.set(css, read);
    return read;
  }

  /** The id of a definition; equal ones are written once. */
  #define(kind: string, write: (id: string) => string): string {
    const key = write(kind);
    const known = this.#defs.get(key);
    if (known) return known.id;
    const id = `${kind}${this.#defs.size}`;
    this.#defs.set(key, { id, text: write(id) });
    return id;
  }

  #put(piece: string): void {
    this.#wrap(this.#clip);
    this.#body.push(piece);
  }

  /** Open the group of a clip, and close the one before. */
  #wrap(clip: string | undefined): void {
    if (clip === this.#open) return;
    if (this.#open) this.#body.push("</g>");
    if (clip) this.#body.push(`<g clip-path="url(#${clip})">`);
    this.#open = clip;
  }
}

function noPath2D(path: unknown): void {
  if (path && typeof path !== "string") throw new Error("a Path2D cannot be saved as SVG; draw the path on the context");
}

/** A picture as PNG. */
function dataUrl(source: Source): string {
  if ("toDataURL" in source) return source.toDataURL("image/png");
  return dataUrl(cropped(source, [0, 0, source.width, source.height]));
}

function cropped(source: Source, [x = 0, y = 0, width = 1, height = 1]: number[]): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.ceil(width));
  canvas.height = Math.max(1, Math.ceil(height));
  canvas.getContext("2d")?.drawImage(source, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}
