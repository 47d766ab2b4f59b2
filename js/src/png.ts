/** Text and resolution put into a PNG: chunks of the file format, with their checksums. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = (TABLE[(c ^ byte) & 255] ?? 0) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + content.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  out.set(new TextEncoder().encode(type), 4);
  out.set(content, 8);
  view.setUint32(8 + content.length, crc32(out.subarray(4, 8 + content.length)));
  return out;
}

/** A text under a keyword: as every program reads it where it is ASCII, else in UTF-8. */
function text(keyword: string, content: string): Uint8Array {
  const bytes = new TextEncoder();
  if (/^[\x20-\x7e]*$/.test(content)) return chunk("tEXt", bytes.encode(`${keyword}\0${content}`));
  return chunk("iTXt", bytes.encode(`${keyword}\0\0\0\0\0${content.replaceAll("\0", "")}`));
}

function resolution(dpi: number): Uint8Array {
  const content = new Uint8Array(9);
  const view = new DataView(content.buffer);
  view.setUint32(0, Math.round(dpi / 0.0254));
  view.setUint32(4, Math.round(dpi / 0.0254));
  content[8] = 1; // a metre
  return chunk("pHYs", content);
}

/** Length of the signature and the header, after which other chunks may stand. */
const HEADER = 8 + 25;

/** The same picture with texts and its resolution. */
export function withTexts(png: Uint8Array, texts: Record<string, string>, dpi: number): Uint8Array<ArrayBuffer> {
  const more = [resolution(dpi), ...Object.entries(texts).map(([keyword, content]) => text(keyword, content))];
  const out = new Uint8Array(png.length + more.reduce((sum, part) => sum + part.length, 0));
  out.set(png.subarray(0, HEADER));
  let at = HEADER;
  for (const part of more) {
    out.set(part, at);
    at += part.length;
  }
  out.set(png.subarray(HEADER), at);
  return out;
}
