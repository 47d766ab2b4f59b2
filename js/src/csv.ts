/** A matrix as CSV (RFC 4180): tokens of rows and columns, values, and names for what is no value. Knows nothing of the DOM. */

/** Names of the states, in the order of their numbers in wire.ts; a value has none. */
const STATES = ["", "masked", "not captured", "left out"];

export interface Row {
  name: string;
  cells: (number | string)[];
}

export interface Table {
  /** Says what stands in the rows and columns. */
  corner: string;
  columns: string[];
  rows: Iterable<Row>;
}

/** What a table of a head needs. */
export interface Cells {
  keys: number;
  weights: ArrayLike<number>;
  states: ArrayLike<number>;
}

/** The values of a head, a row for each query. */
export function headTable(head: Cells, rows: string[], columns: string[], corner = "query \\ key"): Table {
  const cell = (at: number): number | string => STATES[head.states[at] ?? 0] || (head.weights[at] ?? Number.NaN);
  function* each(): Generator<Row> {
    for (const [row, name] of rows.entries()) yield { name, cells: columns.map((_, column) => cell(row * head.keys + column)) };
  }
  return { corner, columns, rows: { [Symbol.iterator]: each } };
}

/** The fewest digits that give a float32 back. */
export function exact(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  for (let digits = 6; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return String(short);
  }
  return String(value);
}

/** A spreadsheet runs what begins like this; an apostrophe in front makes it text. */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

/** A token as one field. */
export function field(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toCsv({ corner, columns, rows }: Table): string {
  const lines = [[corner, ...columns].map(field).join(",")];
  for (const { name, cells } of rows) {
    lines.push([field(name), ...cells.map((cell) => (typeof cell === "number" ? exact(cell) : field(cell)))].join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}
