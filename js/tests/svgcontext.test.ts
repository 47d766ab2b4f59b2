import { describe, expect, it } from "vitest";
import { arcPoints } from "../src/affine.ts";
import { SvgContext } from "../src/svgcontext.ts";
import type { Scratch } from "../src/svgpaint.ts";
import { describe as told, escape, visible } from "../src/xml.ts";

/** A canvas that knows hex colours, fonts in px, and letters half as wide as high, 0.3 of it below the middle. */
function scratch(): Scratch {
  let fill = "#000000";
  const canvas = {
    font: "10px sans-serif",
    textBaseline: "alphabetic" as CanvasTextBaseline,
    get fillStyle() {
      return fill;
    },
    set fillStyle(css: string) {
      if (/^#[0-9a-f]{6}$|^rgba?\(.*\)$|^color\(/.test(css)) fill = css;
    },
    measureText(text: string) {
      const size = Number(/([\d.]+)px/.exec(canvas.font)?.[1]);
      const ascent = canvas.textBaseline === "middle" ? 0.4 * size : 0.7 * size;
      return { width: (text.length * size) / 2, actualBoundingBoxAscent: ascent } as TextMetrics;
    },
  };
  return canvas;
}

function record(draw: (context: CanvasRenderingContext2D) => void, ratio = 1): string {
  const recorder = new SvgContext(100, 50, ratio, scratch());
  draw(recorder.context);
  return recorder.svg("title", {}, "#ffffff").split('fill="#ffffff"/>')[1]?.replace("</svg>", "") ?? "";
}

describe("an SVG context", () => {
  it("writes rectangles, lines and curves", () => {
    expect(record((c) => {
      c.fillStyle = "#ff0000";
      c.fillRect(1, 2, 3, 4);
    })).toBe('<rect x="1" y="2" width="3" height="4" fill="#ff0000"/>');
    const drawn = record((c) => {
      c.lineWidth = 2;
      c.setLineDash([3, 1]);
      c.globalAlpha = 0.5;
      c.beginPath();
      c.moveTo(0, 0);
      c.lineTo(10, 0);
      c.bezierCurveTo(1, 2, 3, 4, 5, 6);
      c.quadraticCurveTo(1, 1, 2, 2);
      c.stroke();
    });
    expect(drawn).toContain('d="M0 0L10 0C1 2 3 4 5 6Q1 1 2 2" fill="none" stroke="#000000" stroke-opacity="0.5" stroke-width="2"');
    expect(drawn).toContain('stroke-dasharray="3 1"');
  });

  it("follows transforms, and forgets them on restore", () => {
    const drawn = record((c) => {
      c.setTransform(3, 0, 0, 3, 0, 0);
      c.save();
      c.translate(10, 5);
      c.fillRect(0, 0, 2, 2);
      c.rotate(Math.PI / 2);
      c.fillRect(0, 0, 2, 4);
      c.restore();
      c.fillRect(0, 0, 1, 1);
    }, 3);
    expect(drawn).toBe(
      '<rect x="10" y="5" width="2" height="2" fill="#000000"/><path d="M10 5L10 7L6 7L6 5Z" fill="#000000"/>' +
        '<rect x="0" y="0" width="1" height="1" fill="#000000"/>',
    );
  });

  it("writes text as text, on its own baseline", () => {
    const drawn = record((c) => {
      c.font = "600 12px Arial";
      c.textBaseline = "middle";
      c.textAlign = "right";
      c.fillText("<b>&", 50, 20);
    });
    expect(drawn).toBe(
      '<text x="50" y="23.6" font-size="12" font-family="Arial" font-weight="600" text-anchor="end" fill="#000000">&lt;b&gt;&amp;</text>',
    );
    expect(record((c) => {
      c.translate(5, 6);
      c.rotate(-Math.PI / 2);
      c.fillText("up", 0, 0);
    })).toContain('transform="matrix(0 -1 1 0 5 6)"');
  });

  it("clips, one within the other, in groups", () => {
    const recorder = new SvgContext(100, 50, 1, scratch());
    const c = recorder.context;
    for (const _ of [0, 1]) {
      c.save();
      c.beginPath();
      c.rect(0, 0, 10, 10);
      c.clip();
      c.fillRect(0, 0, 20, 20);
      c.fillRect(1, 1, 20, 20);
      c.beginPath();
      c.rect(5, 5, 10, 10);
      c.clip();
      c.fillRect(0, 0, 5, 5);
      c.restore();
    }
    c.fillRect(0, 0, 1, 1);
    const svg = recorder.svg("", {}, "#ffffff");
    expect(svg.match(/<clipPath /g)).toHaveLength(2);
    expect(svg).toContain('<clipPath id="clip1" clip-path="url(#clip0)">');
    expect(svg.match(/<g /g)).toHaveLength(4);
    expect(svg.match(/<\/g>/g)).toHaveLength(4);
    expect(svg.endsWith('</g><rect x="0" y="0" width="1" height="1" fill="#000000"/></svg>')).toBe(true);
  });

  it("embeds pictures and repeats patterns", () => {
    const canvas = { width: 4, height: 2, toDataURL: () => "data:image/png;base64,AAAA" } as HTMLCanvasElement;
    const recorder = new SvgContext(100, 50, 2, scratch());
    const c = recorder.context;
    c.imageSmoothingEnabled = false;
    c.drawImage(canvas, 10, 20, 40, 20);
    c.fillStyle = c.createPattern(canvas, "repeat") ?? "";
    c.fillRect(0, 0, 8, 8);
    c.fillRect(8, 8, 8, 8);
    const svg = recorder.svg("", {}, "#ffffff");
    expect(svg).toContain('<image x="5" y="10" width="20" height="10" preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,AAAA"/>');
    expect(svg.match(/<pattern /g)).toHaveLength(1);
    expect(svg).toContain('patternTransform="matrix(0.5 0 0 0.5 0 0)"');
    expect(svg.match(/fill="url\(#paint0\)"/g)).toHaveLength(2);
  });

  it("says that it cannot read a Path2D", () => {
    const path = {} as Path2D;
    expect(() => record((c) => c.fill(path))).toThrow("a Path2D cannot be saved as SVG");
  });

  it("writes colours as every program reads them", () => {
    const fill = (css: string): string => record((c) => {
      c.fillStyle = css;
      c.fillRect(0, 0, 1, 1);
    });
    expect(fill("rgba(255, 0, 16, 0.5)")).toContain('fill="#ff0010" fill-opacity="0.5"');
    expect(fill("color(srgb 1 0.5 0 / 0.25)")).toContain('fill="#ff8000" fill-opacity="0.25"');
    expect(fill('"/><script>')).toContain('fill="#000000"');
  });

  it.each(["\0", "\x1b", "\ud800", "\u202e", "\u200b", "\u2028", "\ufffe", "<script>", "]]>", "&#0;", "'\""])("lets nothing of %j through", (raw) => {
    const svg = new SvgContext(10, 10, 1, scratch());
    svg.context.font = `10px ${raw}`;
    svg.fillText(`a${raw}b`, 0, 0);
    const written = svg.svg(raw, { text: raw, run: raw }, raw);
    expect(written).not.toMatch(/[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\u200b\u2028\u202e\ufffe]/);
    expect(written).not.toMatch(/<script|]]>|&#0;/);
  });
});

describe("what an SVG says", () => {
  it("is plain ASCII JSON that gives the text back", () => {
    const about = { text: "‹start› 👩 \ud800\0</metadata>", layer: 0, empty: "" };
    expect(told(about)).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(told(about))).toEqual({ text: about.text, layer: 0 });
  });

  it("shows what hides, and keeps joined emoji", () => {
    expect(visible("\0\u202e\u{e0001}👩‍👧")).toBe("\\x00\\u202e\\U000e0001👩‍👧");
    expect(escape(`<a b='"'>`)).toBe("&lt;a b=&#39;&quot;&#39;&gt;");
  });
});

describe("an arc", () => {
  it.each([[0, Math.PI, false], [0, Math.PI, true], [0, 7, false], [1, -1, false], [0.5, 0.4, true]])("from %f to %f stays on its circle", (start, end, back) => {
    const points = arcPoints(3, 4, 5, start, end, back);
    const last = points.at(-1)!;
    const turned = end - start >= 2 * Math.PI && !back ? start : end;
    expect(last[0]).toBeCloseTo(3 + 5 * Math.cos(turned), 6);
    expect(last[1]).toBeCloseTo(4 + 5 * Math.sin(turned), 6);
    for (let i = 0; i + 3 < points.length; i += 3) {
      const [p, q, r, s] = points.slice(i, i + 4) as [number, number][];
      const mid = [0, 1].map((k) => (p![k]! + 3 * q![k]! + 3 * r![k]! + s![k]!) / 8);
      expect(Math.hypot(mid[0]! - 3, mid[1]! - 4)).toBeCloseTo(5, 2);
    }
  });
});
