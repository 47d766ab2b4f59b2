/** The spread of a mean over texts (attn_widgets/panels/spreads.py): averages hide. */

import type { Link } from "./link.ts";
import { assert, type Frame } from "./model.ts";
import { isMasked, rankKeys } from "./readout.ts";
import type { Scene } from "./scene.ts";
import type { State } from "./state.ts";
import { digits } from "./text.ts";
import { floats, tokensOf } from "./wire.ts";

/** Of a frame that is a mean. */
export interface SpreadSpec {
  n: number;
  align: string;
}

/** How far the texts lie apart in a cell, and how many have it. */
export interface CellSpread {
  sd: number;
  count: number;
}

/** "mean of n = 12 texts, sd 0.08"; `cell` is null while it is not here. */
export function spreadWords({ n }: SpreadSpec, cell: CellSpread | null): string {
  if (!cell) return `mean of n = ${n} texts`;
  const here = cell.count < n ? `${cell.count} of ${n} texts` : `n = ${n} texts`;
  if (cell.count < 1) return `in none of ${n} texts`;
  return `mean of ${here}${Number.isNaN(cell.sd) ? "" : `, sd ${digits(cell.sd)}`}`;
}

/** What is said of a place on show, or of the strongest in its row; of what is no weight of one head and two tokens, n alone. */
export function spreadAt(spreads: Spreads, state: State, scene: Scene | null, row: number | null, column: number | null): string {
  const head = scene?.picture.head;
  if (!scene || !head || row === null) return "";
  const { rows, columns } = scene;
  const place = column ?? (spreads.knows(state.moment) ? rankKeys(head, row)[0]?.key : undefined);
  const alone = ({ starts, stops }: Scene["rows"], at: number): boolean => stops[at]! - starts[at]! === 1;
  const plain = !state.mean && state.value === "weight" && place !== undefined && !isMasked(head, row, place) && alone(rows, row) && alone(columns, place);
  return spreads.words(state.moment, state.layer, state.head, rows.starts[row] ?? 0, plain ? (columns.starts[place] ?? null) : null);
}

interface Row {
  sd: Float32Array;
  counts: Uint32Array;
}

/** Spreads of the heads that were sent, else asked of the kernel a row at a time. */
export class Spreads {
  #frames: Frame[];
  #specs: (SpreadSpec | null)[];
  #data: DataView | null;
  #link: Link;
  #came: () => void;
  /** Where the spreads of a head begin in the bytes. */
  #at = new Map<string, number>();
  #rows = new Map<string, Row | null>();

  /** `specs` has one entry a frame; `data` may be left out for its size; `came` is called when a row came. */
  constructor(frames: Frame[], specs: (SpreadSpec | null)[], data: DataView | null, link: Link, came: () => void) {
    this.#frames = frames;
    this.#specs = specs;
    this.#data = data;
    this.#link = link;
    this.#came = came;
    let at = 0;
    if (!data?.byteLength) return;
    frames.forEach((frame, moment) => {
      if (!specs[moment]) return;
      const sent = new Set(frame.sent);
      let number = 0;
      frame.blocks.forEach((block, layer) => {
        for (let head = 0; head < block.heads; head++, number++) {
          if (!sent.has(number)) continue;
          this.#at.set(`${moment}/${layer}/${head}`, at);
          at += 8 * tokensOf(frame, block.queries).length * tokensOf(frame, block.keys).length;
        }
      });
    });
  }

  /** Whether a frame is a mean. */
  knows(moment: number): boolean {
    return Boolean(this.#specs[moment]);
  }

  /** What is said of a cell of one head; '' where the frame is of one text. */
  words(moment: number, layer: number, head: number, query: number, key: number | null): string {
    const spec = this.#specs[moment];
    if (!spec) return "";
    const row = key === null ? null : this.#row(moment, layer, head, query);
    const sd = row?.sd[key ?? 0];
    const count = row?.counts[key ?? 0];
    return spreadWords(spec, sd === undefined || count === undefined ? null : { sd, count });
  }

  #row(moment: number, layer: number, head: number, query: number): Row | null {
    const place = `${moment}/${layer}/${head}`;
    const frame = this.#frames[moment];
    const block = frame?.blocks[layer];
    assert(frame && block, `there is no layer ${layer} at moment ${moment}`);
    const keys = tokensOf(frame, block.keys).length;
    const at = this.#at.get(place);
    if (at !== undefined && this.#data) {
      const cells = tokensOf(frame, block.queries).length * keys;
      return readRow(this.#data, at + 4 * query * keys, at + 4 * (cells + query * keys), keys);
    }
    const known = this.#rows.get(`${place}/${query}`);
    if (known !== undefined || !this.#link.live) return known ?? null;
    if (this.#rows.size > 500) this.#rows.clear();
    this.#rows.set(`${place}/${query}`, null); // asked for once
    this.#link
      .ask({ ask: "spread", moment, layer, head, query }, "the spread")
      .then(([, [sd, counts]]) => {
        assert(sd && counts, "the kernel's answer lacks the spread");
        this.#rows.set(`${place}/${query}`, { sd: floats(sd, 0, keys), counts: integers(counts, 0, keys) });
        this.#came();
      })
      .catch(() => undefined); // the words go without it
    return null;
  }
}

const readRow = (data: DataView, sd: number, counts: number, keys: number): Row => ({
  sd: floats(data, sd, keys),
  counts: integers(data, counts, keys),
});

/** Little-endian uint32 from anywhere in a buffer. */
function integers(view: DataView, offset: number, count: number): Uint32Array {
  assert(offset + 4 * count <= view.byteLength, `needs ${4 * count} bytes at ${offset}, has ${view.byteLength}`);
  const start = view.byteOffset + offset;
  return new Uint32Array(view.buffer.slice(start, start + 4 * count) as ArrayBuffer);
}
