/** Numbers and tokens as text; knows nothing of the DOM. Tokens arrive with every character visible. */

/** Four significant digits, or the name of what is not a number. */
export function digits(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e6 ? value.toExponential(3) : value.toPrecision(4);
}

/** Two decimals, for where there is little room. */
export function brief(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return digits(value);
  return value.toFixed(2);
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Cut a text in the middle so that `measure` gives at most `width`; emoji and accents stay whole. */
export function fit(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  // A long token is cut roughly first: the measure of 2,000 characters is not needed.
  const parts = Array.from(graphemes.segment(text.length > 400 ? text.slice(0, 200) + text.slice(-200) : text), (s) => s.segment);
  let low = 1;
  let high = parts.length - 1;
  const cut = (kept: number): string => {
    const tail = Math.floor(kept / 2);
    return parts.slice(0, kept - tail).join("") + "…" + (tail ? parts.slice(-tail).join("") : "");
  };
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (measure(cut(middle)) <= width) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}

/** Cut a text to a number of characters, for sentences. */
export const shorten = (text: string, longest = 40): string => fit(text, longest, (t) => t.length);

export const quoted = (token: string): string => `‘${shorten(token)}’`;

/** The sentence of the status line: who looks where, how much. */
export function looksAt(name: string, row: string, key: string, weight: string): string {
  return `${name}: ${quoted(row)} looks at ${quoted(key)} ${weight}`;
}

export function clock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Thousands as people write them: 12.3k, 950. */
export function thousands(value: number): string {
  if (value < 1000) return value.toFixed(0);
  if (value < 1e6) return `${(value / 1e3).toPrecision(3)}k`;
  return `${(value / 1e6).toPrecision(3)}M`;
}
