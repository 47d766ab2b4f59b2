/** The tip at the pointer of a comparison. */

import { say } from "./dom.ts";
import type { Shell } from "./shell.ts";

export function showTip({ tip, root }: Shell, event: MouseEvent, words: string): void {
  say(tip, words);
  tip.hidden = !words;
  const box = root.getBoundingClientRect();
  tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 8))}px`;
  tip.style.top = `${event.clientY - box.top + 18}px`;
}
