/** Draws the loss curve on a canvas. */

import { css } from "./colours.ts";
import { inSight, lossScale, type Point, type Scale, stepScale } from "./curve.ts";
import { along, beside, type Spot, spread } from "./labels.ts";
import type { Theme } from "./theme.ts";

export interface Level {
  loss: number;
  label: string;
  /** A rung that is beaten is fainter; the floor is drawn otherwise. */
  kind: "ahead" | "beaten" | "floor";
}

export interface Chart {
  train: Point[];
  validations: Point[];
  best: Point | null;
  /** Whether all validations after the best one are worse. */
  turned: boolean;
  levels: Level[];
  steps: number;
}

const LEFT = 38;
const RIGHT = 6;
const TOP = 12;
const BOTTOM = 24;
const LINE = 13;

export function drawChart(canvas: HTMLCanvasElement, chart: Chart, width: number, height: number, theme: Theme, ratio: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = `11px ${theme.font}`;
  const floor = chart.levels.find(({ kind }) => kind === "floor")?.loss ?? null;
  const rungs = chart.levels.filter(({ kind }) => kind !== "floor").map(({ loss }) => loss);
  const y = lossScale(inSight(chart.train, chart.validations, floor, rungs), height - BOTTOM, TOP);
  const levels = chart.levels.filter(({ loss }) => loss >= (y.ticks[0] ?? 0) && loss <= (y.ticks.at(-1) ?? 0));
  const right = width - RIGHT - Math.max(0, ...levels.map(({ label }) => context.measureText(label).width + 10));
  const x = stepScale(Math.max(chart.steps, chart.train.at(-1)?.step ?? 0), LEFT, right);
  drawAxes(context, x, y, right, height, theme);
  drawLevels(context, levels, y, right, height, theme);
  const blue = theme.palette[theme.mode === "dark" ? 165 : 160];
  const validation = blue ? css(blue) : theme.ink;
  context.save();
  context.beginPath();
  context.rect(LEFT, TOP, right - LEFT, height);
  context.clip();
  drawLine(context, chart.train, x, y, theme.muted, 1.1);
  context.restore();
  drawLine(context, chart.validations, x, y, validation, 2);
  context.fillStyle = validation;
  for (const point of chart.validations) dot(context, point, x, y, 2.5).fill();
  if (!chart.best) return;
  context.strokeStyle = theme.accent;
  context.lineWidth = 1.6;
  dot(context, chart.best, x, y, 5.5).stroke();
  if (!chart.turned || !Number.isFinite(chart.best.loss)) return;
  const spots = (points: Point[]): Spot[] => points.filter(({ loss }) => Number.isFinite(loss)).map(({ step, loss }) => [x.at(step), y.at(loss)]);
  const label = `best, step ${chart.best.step.toLocaleString("en")}`;
  const at = beside(
    [x.at(chart.best.step), y.at(chart.best.loss)],
    context.measureText(label).width,
    LINE,
    { left: LEFT, top: TOP, right, bottom: height - BOTTOM },
    [...along(spots(chart.train)), ...along(spots(chart.validations))],
    levels.map(({ loss }) => y.at(loss)),
  );
  drawHaloed(context, label, at, theme);
}

/** Losses to compare with: lines across the chart, and their names beside it, apart from each other. */
function drawLevels(context: CanvasRenderingContext2D, levels: Level[], y: Scale, right: number, height: number, theme: Theme): void {
  const heights = levels.map(({ loss }) => y.at(loss));
  const places = spread(heights, LINE, TOP, height - BOTTOM);
  context.lineWidth = 1;
  context.textAlign = "left";
  context.textBaseline = "middle";
  levels.forEach(({ label, kind }, i) => {
    const at = Math.round(heights[i] ?? 0) + 0.5;
    context.strokeStyle = kind === "floor" ? theme.ink : theme.muted;
    context.setLineDash(kind === "floor" ? [5, 4] : [1.5, 3]);
    context.beginPath();
    context.moveTo(LEFT, at);
    context.lineTo(right, at);
    context.stroke();
    context.setLineDash([]);
    context.strokeStyle = theme.muted;
    context.globalAlpha = 0.5;
    context.beginPath();
    context.moveTo(right, at);
    context.lineTo(right + 7, places[i] ?? at);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = kind === "beaten" ? theme.muted : theme.ink;
    context.fillText(label, right + 10, places[i] ?? at);
  });
}

/** Words that stay readable where they cross a line. */
function drawHaloed(context: CanvasRenderingContext2D, words: string, [x, y]: Spot, theme: Theme): void {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = theme.surface;
  context.strokeText(words, x, y);
  context.fillStyle = theme.accent;
  context.fillText(words, x, y);
}

function drawAxes(context: CanvasRenderingContext2D, x: Scale, y: Scale, right: number, height: number, theme: Theme): void {
  context.fillStyle = theme.muted;
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const tick of y.ticks) {
    const at = Math.round(y.at(tick)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, at);
    context.lineTo(right, at);
    context.stroke();
    context.fillText(String(tick), LEFT - 7, at);
  }
  for (const tick of x.ticks) {
    context.textAlign = tick === 0 ? "left" : "center";
    const label = tick.toLocaleString("en");
    const half = context.measureText(label).width / 2;
    context.fillText(label, Math.min(x.at(tick), right - half), height - 9);
  }
}

/** A line that breaks where a loss is no number. */
function drawLine(context: CanvasRenderingContext2D, points: Point[], x: Scale, y: Scale, colour: string, width: number): void {
  context.beginPath();
  let pen = false;
  for (const { step, loss } of points) {
    if (Number.isFinite(loss)) {
      if (pen) context.lineTo(x.at(step), y.at(loss));
      else context.moveTo(x.at(step), y.at(loss));
    }
    pen = Number.isFinite(loss);
  }
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.stroke();
}

function dot(context: CanvasRenderingContext2D, point: Point, x: Scale, y: Scale, radius: number): CanvasRenderingContext2D {
  context.beginPath();
  if (Number.isFinite(point.loss)) context.arc(x.at(point.step), y.at(point.loss), radius, 0, 2 * Math.PI);
  return context;
}
