/** Projector mode: a panel with larger type and lines. CSS zooms its root; what is drawn has to follow in two places. */

/** How much larger; `.attn[data-projector=true]` in styles.ts. */
export const PROJECTOR = 1.6;

export const isProjected = (root: HTMLElement): boolean => root.dataset["projector"] === "true";

/** Device pixels in a CSS pixel of the panel, for sharp canvases. */
export const pixelRatio = (root: HTMLElement): number => (window.devicePixelRatio || 1) * (isProjected(root) ? PROJECTOR : 1);

/** Where a pointer is in an element, in the element's own CSS pixels: those of the page are smaller when it is zoomed. */
export function within(node: HTMLElement, event: MouseEvent): { x: number; y: number } {
  const box = node.getBoundingClientRect();
  const zoom = node.offsetWidth ? box.width / node.offsetWidth : 1;
  return { x: (event.clientX - box.left) / zoom, y: (event.clientY - box.top) / zoom };
}
