"""Small pieces of SVG: text that is escaped, pictures that are embedded, and the whole as one image.

A figure goes into HTML as ``<img src="data:…">``, never inline: an image runs no scripts, and
the sanitizers of untrusted notebooks and code-hosting sites keep it, while they drop inline
``<svg>`` and spill its labels.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from html import escape

from PIL import Image

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML file may hold: panels write them visibly, and this is for what is forgotten."""

INK, MUTED, LINE, ACCENT = "#16191f", "#5c6470", "#d9dde3", "#c2410c"


def text(
    x: float, y: float, content: str, *, size: float = 12, anchor: str = "start", fill: str = INK, more: str = ""
) -> str:
    """One line of text; `more` are further attributes."""
    look = f'font-size="{size:g}" text-anchor="{anchor}" fill="{fill}" {more}'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(content)}</text>'


def embed(image: Image.Image, x: float, y: float, width: float, height: float) -> str:
    """Stretch a picture to a rectangle, its pixels kept sharp."""
    held = io.BytesIO()
    image.save(held, "PNG", transparency=image.info.get("transparency"), optimize=True)
    data = base64.b64encode(held.getvalue()).decode()
    return (
        f'<image x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
    )


def drawing(width: float, height: float, *parts: str) -> str:
    """Write a whole SVG file on a light ground of its own, readable in any theme."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONT}">'
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>{clean("".join(parts))}</svg>'
    )


def clean(content: str) -> str:
    r"""Write what XML forbids (NUL, lone surrogates, …) as ``\x00`` or ``\ud800``."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), content)


def image_tag(svg: str, alt: str) -> str:
    """Write an ``<img>`` that holds the SVG."""
    data = base64.b64encode(svg.encode("utf-8")).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}" style="max-width:100%"/>'


def text_width(content: str, size: float = 12) -> float:
    """About how wide a text is, with room to spare: no font is at hand to measure."""
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in content if not unicodedata.combining(c))
    return 0.6 * size * wide
