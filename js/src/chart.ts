/** Draws the loss curve on a canvas. */

import { css } from "./colours.ts";
import { inSight, lossScale, type Point, type Scale, stepScale } from "./curve.ts";
import type { Theme } from "./theme.ts";

export interface Chart {
  train: Point[];
  validations: Point[];
  best: Point | null;
  floor: number | null;
  steps: number;
}

const LEFT = 38;
const RIGHT = 6;
const TOP = 12;
const BOTTOM = 24;

export function drawChart(canvas: HTMLCanvasElement, chart: Chart, width: number, height: number, theme: Theme, ratio: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const y = lossScale(inSight(chart.train, chart.validations, chart.floor), height - BOTTOM, TOP);
  const last = Math.max(chart.steps, chart.train.at(-1)?.step ?? 0);
  const x = stepScale(last, LEFT, width - RIGHT);
  drawAxes(context, x, y, width, height, theme);
  const blue = theme.palette[theme.mode === "dark" ? 165 : 160];
  const validation = blue ? css(blue) : theme.ink;
  context.save();
  context.beginPath();
  context.rect(LEFT, TOP, width - LEFT, height);
  context.clip();
  drawLine(context, chart.train, x, y, theme.muted, 1.1);
  context.restore();
  drawLine(context, chart.validations, x, y, validation, 2);
  context.fillStyle = validation;
  for (const point of chart.validations) dot(context, point, x, y, 2.5).fill();
  if (chart.floor !== null) drawFloor(context, chart.floor, y, width, theme);
  if (chart.best) {
    context.strokeStyle = theme.accent;
    context.lineWidth = 1.6;
    dot(context, chart.best, x, y, 5.5).stroke();
  }
}

function drawAxes(context: CanvasRenderingContext2D, x: Scale, y: Scale, width: number, height: number, theme: Theme): void {
  context.font = `11px ${theme.font}`;
  context.fillStyle = theme.muted;
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const tick of y.ticks) {
    const at = Math.round(y.at(tick)) + 0.5;
    context.beginPath();
    context.moveTo(LEFT, at);
    context.lineTo(width - RIGHT, at);
    context.stroke();
    context.fillText(String(tick), LEFT - 7, at);
  }
  for (const tick of x.ticks) {
    context.textAlign = tick === 0 ? "left" : "center";
    const label = tick.toLocaleString("en");
    const half = context.measureText(label).width / 2;
    context.fillText(label, Math.min(x.at(tick), width - RIGHT - half), height - 9);
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

function drawFloor(context: CanvasRenderingContext2D, floor: number, y: Scale, width: number, theme: Theme): void {
  const at = Math.round(y.at(floor)) + 0.5;
  context.beginPath();
  context.setLineDash([5, 4]);
  context.moveTo(LEFT, at);
  context.lineTo(width - RIGHT, at);
  context.strokeStyle = theme.ink;
  context.lineWidth = 1;
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = theme.ink;
  // On the left, where the curves stand high above the floor.
  context.textAlign = "left";
  context.fillText(`grammar’s floor ${floor.toFixed(3)}`, LEFT + 6, at - 8);
}
