/** What can be done with what is on show: copied as CSV, saved as PNG or SVG, enlarged for a projector. */

import { ABOVE, type Caption, captioned, drawCaption, MARGIN } from "./caption.ts";
import { Toggle } from "./controls.ts";
import { toCsv, type Table } from "./csv.ts";
import { h, say } from "./dom.ts";
import { withTexts } from "./png.ts";
import { isProjected } from "./projector.ts";
import { SvgContext } from "./svgcontext.ts";
import { type About, describe, visible } from "./xml.ts";

/** What a view shows at this moment. */
export interface Showing extends Caption {
  /** Size of the drawing, in CSS pixels. */
  width: number;
  height: number;
  /** Draw it at so many device pixels to one: into the panel's canvas, a larger one, or a recorder. */
  draw(context: CanvasRenderingContext2D, ratio: number): void;
  /** The values, and how many they are. */
  table(): Table;
  cells: number;
  /** Where it comes from: model's hash, run, text, layer, head, aggregation, version. */
  about: About;
}

export interface Owner {
  readonly root: HTMLElement;
  /** Null while what is wanted has not come. */
  showing(): Showing | null;
  /** Draw anew: the panel is larger now, or as before. */
  enlarged(): void;
}

/** Device pixels to a CSS pixel in a saved PNG. */
const FINE = 3;
const LONGEST_SIDE = 16_000;
const MOST_PIXELS = 1e8;
const MOST_CELLS = 1_000_000;
const DPI = 96;
/** Milliseconds after which what was said goes away. */
const SAID = 8_000;

export class Tools {
  readonly node: HTMLElement;
  readonly #owner: Owner;
  readonly #projector: Toggle;
  readonly #said = h("span", { class: "attn-tools-said", role: "status", "aria-live": "polite" });
  #timer = 0;

  constructor(owner: Owner, signal: AbortSignal) {
    this.#owner = owner;
    const button = (name: string, act: (shown: Showing) => string | Promise<string>): HTMLElement => {
      const node = h("button", { type: "button", class: "attn-toggle" }, name);
      node.addEventListener("click", () => void this.#run(act), { signal });
      return node;
    };
    this.#projector = new Toggle("Projector", signal, (on) => this.#enlarge(on));
    this.#projector.node.title = "larger type and lines";
    const buttons = [button("Copy CSV", copyCsv), button("Save PNG", savePng), button("Save SVG", saveSvg)];
    this.node = h("div", { class: "attn-tools", role: "group", "aria-label": "save and enlarge" }, this.#said, ...buttons, this.#projector.node);
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Do it, and say in one line what was done or why not. */
  async #run(act: (shown: Showing) => string | Promise<string>): Promise<void> {
    try {
      const shown = this.#owner.showing();
      if (!shown) throw new Error("nothing is on show yet; try again in a moment");
      this.#say(await act(shown), true);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error), false);
    }
  }

  #say(words: string, well: boolean): void {
    say(this.#said, visible(words));
    this.#said.dataset["well"] = String(well);
    clearTimeout(this.#timer);
    if (well) this.#timer = window.setTimeout(() => say(this.#said, ""), SAID);
  }

  #enlarge(on: boolean): void {
    this.#owner.root.dataset["projector"] = String(on);
    this.#projector.set(isProjected(this.#owner.root));
    this.#owner.enlarged();
  }
}

async function copyCsv(shown: Showing): Promise<string> {
  if (shown.cells > MOST_CELLS) throw new Error(`${shown.cells.toLocaleString("en")} values are too many to copy; in Python: panel.trace.weights(layer, head)`);
  const csv = toCsv(shown.table());
  if (await copy(csv)) return `copied ${shown.cells.toLocaleString("en")} values`;
  // A byte order mark, or a spreadsheet takes the tokens for another alphabet.
  download(new Blob(["\ufeff", csv], { type: "text/csv" }), fileName(shown.name, "csv"));
  return `this page may not copy; saved ${fileName(shown.name, "csv")} instead`;
}

/** Whether a text went to the clipboard: by the page's right to, or by the old way of selecting and copying it. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = focus();
    const area = h("textarea", { "aria-hidden": "true", style: "position:fixed;top:0;opacity:0" });
    area.value = text;
    document.body.append(area);
    area.select();
    // CSV wants its line ends, which a textarea does not keep.
    const put = (event: ClipboardEvent): void => {
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault();
    };
    document.addEventListener("copy", put);
    const done = document.execCommand("copy");
    document.removeEventListener("copy", put);
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    return done;
  }
}

/** What has the focus, however deep in shadow roots. */
function focus(): Element | null {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node;
}

function saveSvg(shown: Showing): string {
  const scratch = document.createElement("canvas").getContext("2d");
  if (!scratch) throw new Error("this browser gives no canvas to measure text with");
  const [width, height] = captioned(shown.width, shown.height, shown);
  const recorder = new SvgContext(width, height, 1, scratch);
  recorder.place(MARGIN, MARGIN + ABOVE, FINE);
  recorder.save();
  shown.draw(recorder.context, FINE);
  recorder.restore();
  recorder.place(0, 0, 1);
  drawCaption(recorder.context, shown, width, height);
  const svg = recorder.svg(titleOf(shown), shown.about, shown.theme.surface);
  return save(new Blob([svg], { type: "image/svg+xml" }), shown, "svg", "");
}

async function savePng(shown: Showing): Promise<string> {
  const [width, height] = captioned(shown.width, shown.height, shown);
  const fine = Math.min(FINE, LONGEST_SIDE / Math.max(width, height), Math.sqrt(MOST_PIXELS / (width * height)));
  const [drawing, inner] = canvas(shown.width * fine, shown.height * fine);
  shown.draw(inner, fine);
  const [whole, context] = canvas(width * fine, height * fine);
  context.fillStyle = shown.theme.surface;
  context.fillRect(0, 0, whole.width, whole.height);
  context.drawImage(drawing, Math.round(MARGIN * fine), Math.round((MARGIN + ABOVE) * fine));
  context.setTransform(fine, 0, 0, fine, 0, 0);
  drawCaption(context, shown, width, height);
  const blob = await new Promise<Blob | null>((resolve) => whole.toBlob(resolve, "image/png"));
  if (!blob) throw new Error(`this browser cannot write a picture of ${whole.width} × ${whole.height} pixels; save it as SVG`);
  const texts = { Title: titleOf(shown), Software: String(shown.about["version"] ?? "attn_widgets"), Description: describe(shown.about) };
  const png = withTexts(new Uint8Array(await blob.arrayBuffer()), texts, DPI * fine);
  return save(new Blob([png], { type: "image/png" }), shown, "png", `, ${whole.width} × ${whole.height} pixels`);
}

function canvas(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const node = document.createElement("canvas");
  node.width = Math.ceil(width);
  node.height = Math.ceil(height);
  const context = node.getContext("2d");
  if (!context) throw new Error("this browser gives no canvas to draw on; close other panels");
  return [node, context];
}

function save(blob: Blob, shown: Showing, ending: string, more: string): string {
  const name = fileName(shown.name, ending);
  download(blob, name);
  return `saved ${name}${more}`;
}

function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const titleOf = ({ name, title }: Showing): string => visible([name, title].filter(Boolean).join(" "));

/** "L1 mean" is `L1-mean.svg`. */
export function fileName(name: string, ending: string): string {
  const plain = name.replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^-+|-+$/g, "");
  return `${plain.slice(0, 60) || "attention"}.${ending}`;
}
