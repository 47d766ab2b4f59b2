/** Keys pressed inside a panel: which of them are the panel's own. */

import { action, type Action } from "./selection.ts";

/** Whether a key is for the panel, not for the browser, the host or the control that has the focus. */
export function isOurs(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  // The host's shortcuts must not take keys meant for the panel (an x would cut the cell).
  event.stopPropagation();
  const { target, key } = event;
  if ((target instanceof HTMLInputElement || target instanceof HTMLSelectElement) && key !== "Escape") return false;
  return !(target instanceof HTMLButtonElement && (key === " " || key === "Enter"));
}

/** What a key wishes of the panel; null for none. */
export const wishOf = (event: KeyboardEvent): Action | null => (isOurs(event) ? action(event.key, event.shiftKey) : null);
