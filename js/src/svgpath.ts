/** Transforms and paths of a recorded drawing, in the units of the picture: the geometry of a canvas's context. */

import { type Affine, apply, arcPoints, IDENTITY, times, turned } from "./affine.ts";
import { number } from "./xml.ts";

export class SvgPath {
  /** From device pixels to the units of the picture. */
  protected base: Affine;
  protected matrix: Affine = IDENTITY;
  /** Commands of the path that is being drawn. */
  protected path: string[] = [];

  constructor(ratio: number) {
    this.base = [1 / ratio, 0, 0, 1 / ratio, 0, 0];
  }

  /** Put what is drawn from now on at a place of the picture, whatever transform it sets. */
  place(x: number, y: number, ratio: number): void {
    this.base = [1 / ratio, 0, 0, 1 / ratio, x, y];
    this.matrix = IDENTITY;
  }

  /** From what a panel draws in to the units of the picture. */
  protected get whole(): Affine {
    return times(this.base, this.matrix);
  }

  setTransform(a: number, b: number, c: number, d: number, e: number, f: number): void {
    this.matrix = [a, b, c, d, e, f];
  }

  resetTransform(): void {
    this.matrix = IDENTITY;
  }

  transform(a: number, b: number, c: number, d: number, e: number, f: number): void {
    this.matrix = times(this.matrix, [a, b, c, d, e, f]);
  }

  translate(x: number, y: number): void {
    this.transform(1, 0, 0, 1, x, y);
  }

  scale(x: number, y: number): void {
    this.transform(x, 0, 0, y, 0, 0);
  }

  rotate(angle: number): void {
    this.transform(...turned(angle));
  }

  beginPath(): void {
    this.path = [];
  }

  closePath(): void {
    if (this.path.length) this.path.push("Z");
  }

  moveTo(x: number, y: number): void {
    this.path.push(`M${this.at(x, y)}`);
  }

  lineTo(x: number, y: number): void {
    this.path.push(`${this.path.length ? "L" : "M"}${this.at(x, y)}`);
  }

  bezierCurveTo(ax: number, ay: number, bx: number, by: number, x: number, y: number): void {
    if (!this.path.length) this.moveTo(ax, ay);
    this.path.push(`C${this.at(ax, ay)} ${this.at(bx, by)} ${this.at(x, y)}`);
  }

  quadraticCurveTo(ax: number, ay: number, x: number, y: number): void {
    if (!this.path.length) this.moveTo(ax, ay);
    this.path.push(`Q${this.at(ax, ay)} ${this.at(x, y)}`);
  }

  arc(x: number, y: number, radius: number, start: number, end: number, back = false): void {
    const [first, ...points] = arcPoints(x, y, radius, start, end, back);
    if (first) this.lineTo(...first);
    for (let i = 0; i + 2 < points.length; i += 3) this.bezierCurveTo(...points[i]!, ...points[i + 1]!, ...points[i + 2]!);
  }

  rect(x: number, y: number, width: number, height: number): void {
    const corners: [number, number][] = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
    this.path.push(`M${corners.map((corner) => this.at(...corner)).join("L")}Z`);
  }

  roundRect(x: number, y: number, width: number, height: number, radii: number | number[] = 0): void {
    const wanted = typeof radii === "number" ? radii : (radii[0] ?? 0);
    const r = Math.min(wanted, width / 2, height / 2);
    const right = x + width;
    const bottom = y + height;
    this.moveTo(x + r, y);
    this.arc(right - r, y + r, r, -Math.PI / 2, 0);
    this.arc(right - r, bottom - r, r, 0, Math.PI / 2);
    this.arc(x + r, bottom - r, r, Math.PI / 2, Math.PI);
    this.arc(x + r, y + r, r, Math.PI, 1.5 * Math.PI);
    this.closePath();
  }

  protected at(x: number, y: number): string {
    return apply(this.whole, x, y).map(number).join(" ");
  }

}
