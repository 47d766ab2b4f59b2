/** Text and numbers as they may stand in an SVG: escaped, and without anything that XML forbids or that hides. */

/** Controls, format characters, lone surrogates, private use, unassigned, separators; as panels/tokens.py has them. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const JOINER = "\u200d";
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function show(character: string): string {
  if (character === JOINER) return character;
  const code = character.codePointAt(0) ?? 0;
  const [mark, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${mark}${code.toString(16).padStart(digits as number, "0")}`;
}

/** Write what would hide, break or reorder a line so that it can be read: NUL is `\x00`. */
export const visible = (text: string): string => text.replace(HIDDEN, show);

export const escape = (text: string): string => visible(text).replace(/[&<>"']/g, (c) => ENTITIES[c] ?? "");

/** Three decimals at most; what is not finite is 0. */
export const number = (value: number): string => (Number.isFinite(value) ? String(Number(value.toFixed(3)) || 0) : "0");

/** One element; attributes that are undefined are left out. */
export function element(name: string, attributes: Record<string, string | number | undefined>, content = ""): string {
  const parts = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? number(value) : escape(value ?? "")}"`);
  return content ? `<${name}${parts.join("")}>${content}</${name}>` : `<${name}${parts.join("")}/>`;
}

/** What a picture shows and where it comes from. */
export type About = Record<string, string | number | boolean | null>;

/** JSON in plain ASCII, as every picture format can hold it. */
export function describe(about: About): string {
  const kept = Object.fromEntries(Object.entries(about).filter(([, value]) => value !== "" && value !== null));
  const ascii = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(kept).replace(/[^\x20-\x7e]/g, ascii);
}

/** Dublin Core, as panels/saving.py writes it. */
export function metadata(title: string, about: About): string {
  const spaces =
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" ' +
    'xmlns:cc="http://creativecommons.org/ns#"';
  const software = escape(String(about["version"] ?? "attn_widgets"));
  return (
    `<title>${escape(title)}</title><metadata><rdf:RDF ${spaces}><cc:Work rdf:about="">` +
    `<dc:format>image/svg+xml</dc:format><dc:title>${escape(title)}</dc:title>` +
    `<dc:creator><cc:Agent><dc:title>${software}</dc:title></cc:Agent></dc:creator>` +
    `<dc:description>${escape(describe(about))}</dc:description></cc:Work></rdf:RDF></metadata>`
  );
}
