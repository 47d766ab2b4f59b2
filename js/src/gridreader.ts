/** What the grid shows at a state: which number colours a head, in which order heads stand, and how that is said. */

import { FOUND } from "./gridcontrols.ts";
import { type Layer, type Metric, readFound, readMetric, type Reading, scaleEnd } from "./griddata.ts";
import type { GridPicture } from "./gridfigure.ts";
import { byLayer, byValue, groupsOf, type Place } from "./gridorder.ts";
import type { GridSource, Wanted } from "./gridsource.ts";
import { axesOf, type State } from "./state.ts";
import { quoted } from "./text.ts";

/** A state, with what colours the heads and what sorts them. */
export interface GridState {
  state: State;
  metric: string;
  order: string;
}

export class GridReader {
  readonly #source: GridSource;
  #arranged = { key: "", rows: [] as Place[][] };

  constructor(source: GridSource) {
    this.#source = source;
  }

  /** Metric of a name; none for weights, and for the order of the layers. */
  metric(name: string): Metric | null {
    return name === "found" ? FOUND : (this.#source.spec.grid.metrics.find((metric) => metric.name === name) ?? null);
  }

  read(name: string, state: State): (layer: number, head: number) => Reading {
    const index = this.#source.spec.grid.metrics.findIndex((metric) => metric.name === name);
    if (name !== "found") return (layer, head) => readMetric(this.#source.layer(state.moment, layer), head, index);
    if (state.query === null || state.key === null) return () => ({ missing: "not here" });
    return (layer, head) => readFound(this.#source.found(layer), head, this.#source.alike(state.moment, layer, state.layer));
  }

  /** What to ask for: layers in view first, and the cell that is looked for. */
  wanted({ state, metric, order }: GridState, inView: number[]): Wanted {
    const { moment, layer, query, key } = state;
    const found = (metric === "found" || order === "found") && query !== null && key !== null ? { layer, query, key } : null;
    return { moment, first: [layer, ...(order === "layer" ? inView : [])], found };
  }

  /** Changes when anything came that is shown. */
  version({ state, metric, order }: GridState): string {
    const { blocks } = axesOf(this.#source.spec, state).frame;
    const finds = metric === "found" || order === "found";
    const cell = finds ? [state.query, state.key, state.layer, ...blocks.map((_, layer) => Number(Boolean(this.#source.found(layer))))] : [];
    return [state.moment, ...blocks.map((_, layer) => this.#source.layer(state.moment, layer)?.version), ...cell].join();
  }

  /** The heads in order; put in order again only when something came that may change it. */
  rows(at: GridState, columns: number): Place[][] {
    const key = [at.order, columns, this.version(at)].join();
    if (key !== this.#arranged.key) {
      const { blocks } = axesOf(this.#source.spec, at.state).frame;
      const rows = this.metric(at.order) ? byValue(blocks, columns, this.read(at.order, at.state)) : byLayer(blocks);
      this.#arranged = { key, rows };
    }
    return this.#arranged.rows;
  }

  picture(at: GridState, rows: Place[][], hover: Place | null): GridPicture {
    const { state } = at;
    const { moment } = state;
    const sizes = this.#source.spec.grid.layers[moment] ?? [];
    const { blocks } = axesOf(this.#source.spec, state).frame;
    const groups = (layer: number): [number, number][] => groupsOf(blocks[layer]?.heads ?? 0, sizes[layer]?.groups ?? 0);
    const same = blocks.every((block, layer) => block.heads === blocks[0]?.heads && sizes[layer]?.groups === sizes[0]?.groups);
    const metric = this.metric(at.metric);
    const read = metric && this.read(at.metric, state);
    const inLayers = !this.metric(at.order);
    return {
      rows,
      layer: state.layer,
      head: state.mean ? null : state.head,
      hover,
      read,
      end: read && metric ? scaleEnd(metric.share, rows.flat().map((place) => read(...place))) : 1,
      layerOf: (layer): Layer | undefined => this.#source.layer(moment, layer),
      brackets: same && inLayers ? groups(0) : [],
      rowBrackets: (layer) => (same ? [] : groups(layer)),
      byLayer: inLayers,
      // Thumbnails of a layer change with the layer alone; what is found, with the cell and what came of it.
      key: [at.metric, moment, at.metric === "found" ? this.version(at) : ""].join(),
    };
  }

  /** What colours the heads, in words. */
  what({ state, metric }: GridState): string {
    if (metric !== "found" || state.query === null || state.key === null) return this.metric(metric)?.title ?? "weights";
    const { rows, columns } = axesOf(this.#source.spec, state);
    return `weight of ${quoted(rows[state.query] ?? "")} on ${quoted(columns[state.key] ?? "")}`;
  }

  /** Where a head stands among all, when they are sorted. */
  rank(at: GridState, rows: Place[][], [layer, head]: Place): string {
    const sorted = this.metric(at.order);
    if (!sorted) return "";
    const all = rows.flat();
    const number = all.findIndex((place) => place[0] === layer && place[1] === head) + 1;
    return `no. ${number} of ${all.length} by ${sorted.title}`;
  }

  /** Which key/value head a head shares; "" where each has its own. */
  shared({ moment }: State, [layer, head]: Place): string {
    const groups = this.#source.spec.grid.layers[moment]?.[layer]?.groups ?? 0;
    const heads = this.#source.spec.frames[moment]?.blocks[layer]?.heads ?? 0;
    return groups < heads ? `key/value head ${Math.floor((head * groups) / heads)}` : "";
  }
}
