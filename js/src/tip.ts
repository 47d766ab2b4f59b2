/** The tip at the pointer: whole tokens and the exact number of a cell. */

import { say } from "./dom.ts";
import type { Hit } from "./geometry.ts";
import { cellText } from "./table.ts";
import { shorten } from "./text.ts";
import type { Head } from "./wire.ts";

const LONGEST = 300;

export class Tip {
  #node: HTMLElement;
  #root: HTMLElement;

  constructor(node: HTMLElement, root: HTMLElement) {
    this.#node = node;
    this.#root = root;
  }

  show(event: MouseEvent, { row, column }: Hit, rows: string[], columns: string[], head: Head | null): void {
    const tokens = [row === null ? null : rows[row], column === null ? null : columns[column]];
    const named = tokens.filter((token) => token != null).map((token) => shorten(token, LONGEST));
    if (!named.length) return this.hide();
    const value = head && row !== null && column !== null ? `  ${cellText(head, row, column)}` : "";
    say(this.#node, named.join(" → ") + value);
    this.#node.hidden = false;
    const box = this.#root.getBoundingClientRect();
    const left = event.clientX - box.left + 14;
    this.#node.style.left = `${Math.max(0, Math.min(left, box.width - this.#node.offsetWidth - 8))}px`;
    this.#node.style.top = `${event.clientY - box.top + 18}px`;
  }

  hide(): void {
    this.#node.hidden = true;
  }
}
