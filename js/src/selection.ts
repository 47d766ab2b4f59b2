/** What a click or a key does to what is selected: pure, so that it can be tested. */

export interface Selection {
  query: number | null;
  key: number | null;
  locked: boolean;
}

export const NOTHING: Selection = { query: null, key: null, locked: false };

/** A click on a row locks it, on a cell also its column; the same again unlocks. */
export function click(now: Selection, row: number, column: number | null): Selection {
  if (now.locked && now.query === row && now.key === column) return NOTHING;
  return { query: row, key: column, locked: true };
}

/** Move the row or the column by a number of places; the first move starts from `start`. */
export function move(now: Selection, axis: "query" | "key", by: number, size: number, start: number): Selection {
  const from = now[axis];
  const to = from === null ? start : Math.min(size - 1, Math.max(0, from + by));
  return { ...now, [axis]: to, locked: true };
}

export type Action =
  | { do: "layer" | "head" | "query" | "key"; by: number }
  | { do: "first" | "last" }
  | { do: "lock" | "unlock" | "play" };

/** What a key means to the panel; null leaves it to the page. */
export function action(key: string, shift: boolean): Action | null {
  switch (key) {
    case "ArrowLeft":
    case "ArrowRight":
      return { do: shift ? "key" : "head", by: key === "ArrowLeft" ? -1 : 1 };
    case "ArrowUp":
    case "ArrowDown":
      return { do: shift ? "query" : "layer", by: key === "ArrowUp" ? -1 : 1 };
    case "PageUp":
    case "PageDown":
      return { do: "query", by: key === "PageUp" ? -10 : 10 };
    case "Home":
      return { do: "first" };
    case "End":
      return { do: "last" };
    case "Enter":
      return { do: "lock" };
    case "Escape":
      return { do: "unlock" };
    case " ":
      return { do: "play" };
    default:
      return null;
  }
}
