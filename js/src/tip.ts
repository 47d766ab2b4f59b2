/** The tip at the pointer: whole tokens and the exact number of a cell. */

import { say } from "./dom.ts";
import type { Picture } from "./figure.ts";
import type { Hit } from "./geometry.ts";
import { within } from "./projector.ts";
import type { Shell } from "./shell.ts";
import { cellText } from "./table.ts";
import { shorten } from "./text.ts";

const LONGEST = 300;

export class Tip {
  #node: HTMLElement;
  #root: HTMLElement;
  /** What was pointed at last, while the tip is seen. */
  #at: { event: MouseEvent; hit: Hit } | null = null;

  constructor(node: HTMLElement, root: HTMLElement) {
    this.#node = node;
    this.#root = root;
  }

  /** `more` is said of a cell besides. */
  show(event: MouseEvent, hit: Hit, picture: Picture, more: string): void {
    this.#say(hit, picture, more);
    if (!this.#node.hidden) place(this.#node, this.#root, event);
    this.#at = this.#node.hidden ? null : { event, hit };
  }

  /** Say anew what is pointed at: a number may have come. `more` is asked for the cell. */
  again(picture: Picture, more: (hit: Hit) => string): void {
    if (this.#at) this.#say(this.#at.hit, picture, more(this.#at.hit));
  }

  #say({ row, column }: Hit, { rows, columns, head }: Picture, more: string): void {
    const tokens = [row === null ? null : rows[row], column === null ? null : columns[column]];
    const named = tokens.filter((token) => token != null).map((token) => shorten(token, LONGEST));
    this.#node.hidden = !named.length;
    const isCell = named.length === 2; // not where a matrix stepped to is smaller than the one pointed at
    const value = head && isCell && row !== null && column !== null ? `  ${[cellText(head, row, column), more].filter(Boolean).join(" · ")}` : "";
    say(this.#node, named.join(" → ") + value);
  }

  hide(): void {
    this.#node.hidden = true;
    this.#at = null;
  }
}

/** The tip of a panel in a shell, with these words; '' hides it. */
export function showTip({ tip, root }: Shell, event: MouseEvent, words: string): void {
  say(tip, words);
  tip.hidden = !words;
  if (words) place(tip, root, event);
}

/** Put a tip under the pointer, inside the panel. */
function place(tip: HTMLElement, root: HTMLElement, event: MouseEvent): void {
  const { x, y } = within(root, event);
  tip.style.left = `${Math.max(0, Math.min(x + 14, root.offsetWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${y + 18}px`;
}
