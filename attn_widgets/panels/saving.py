"""Writes a panel's figure for a paper: SVG with vector text, PNG or PDF, of a size in inches, with its provenance.

The metadata is the same in all three: a title, the program, and a description that is JSON
(model's hash, run, text, layer, head, aggregation, version) in plain ASCII. In an SVG it is
Dublin Core in ``<metadata>``, in a PNG text chunks, in a PDF its information dictionary.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import reprlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from types import ModuleType

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from attn_widgets.panels import svg
from attn_widgets.panels.base import PanelError
from attn_widgets.panels.files import write_whole
from attn_widgets.panels.tokens import LONGEST, shorten
from attn_widgets.panels.wire import visible_line
from attn_widgets.trace import AttentionTrace

About = Mapping[str, str | int | float]
"""What a figure shows and where it comes from."""

WIDEST = 20_000
"""Pixels of a PNG, in either direction."""

_ROOT = re.compile(r'<svg\b[^>]*?(?P<size>\swidth="(?P<width>[\d.]+)"\s+height="(?P<height>[\d.]+)")[^>]*>')
_SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:cc="http://creativecommons.org/ns#"'
)


def origin(trace: AttentionTrace) -> dict[str, str | int | float]:
    """Say where a trace comes from: what its `meta` tells, its text, and the version of this program."""
    from attn_widgets import __version__

    meta = {str(name): value for name, value in trace.meta.items()}
    meta.setdefault("text", " ".join(trace.tokens))
    plain = {name: _short(value) if isinstance(value, str) else value for name, value in meta.items()}
    return {**plain, "version": f"attn_widgets {__version__}"}


def _short(text: str) -> str:
    return shorten(visible_line(text), LONGEST)


class Saved:
    """A panel that can be written as a picture for a paper."""

    def figure(self) -> str:
        """Draw what `save` writes, as one whole SVG on a light ground."""
        raise NotImplementedError

    def provenance(self) -> dict[str, str | int | float]:
        """Say what is on show and where it comes from."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str], *, width: float = 6.0, dpi: int = 300) -> Path:
        """Write what is on show as a picture for a paper, with its provenance in the file's metadata.

        Parameters
        ----------
        path
            Ends in ``.svg`` (text stays text), ``.png`` or ``.pdf``; written whole or not at all.
        width
            Of the picture, in inches.
        dpi
            Pixels an inch, of a PNG.

        Raises
        ------
        ConfigError
            If the ending is another one, the size cannot be drawn, or the folder does not exist.
        """
        return save_figure(self.figure(), path, self.provenance(), width=width, dpi=dpi)


def save_figure(figure: str, path: str | os.PathLike[str], about: About, *, width: float = 6.0, dpi: int = 300) -> Path:
    """Write a figure, a whole SVG, with its size and its provenance; as `Saved.save` says."""
    target = Path(path)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise PanelError(f"cannot save as {target.name[-80:]!r}; end the name in {', '.join(_WRITERS)}")
    for name, value, low, high in (("width", width, 0.1, 100), ("dpi", dpi, 1, 10_000)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise PanelError(f"{name} must be a number from {low} to {high}; given {reprlib.repr(value)}")
    return write_whole(target, write(figure, about, float(width), dpi))


def describe(about: About) -> str:
    """Write the description: JSON in plain ASCII, which every format can hold."""
    told = {name: value for name, value in about.items() if value not in ("", None)}
    # JSON has no word for what is no number: such a value is told as text.
    odd = {name: str(value) for name, value in told.items() if isinstance(value, float) and not math.isfinite(value)}
    return json.dumps(told | odd, default=str)


def title_of(about: About) -> str:
    """Name what is shown: ``HeadPanel L1H3 I love pizza``."""
    place = f"L{about['layer']}" + (f"H{about['head']}" if "head" in about else "") if "layer" in about else ""
    return " ".join(str(part) for part in (about.get("panel", ""), place, about.get("title", "")) if part)


def _write_svg(figure: str, about: About, width: float, _dpi: float) -> bytes:
    return _sized(figure, width, "in", _metadata(about)).encode("utf-8")


def _write_png(figure: str, about: About, width: float, dpi: float) -> bytes:
    across, down = _size(figure)
    pixels = width * dpi
    if not 1 <= min(pixels, pixels * down / across) <= max(pixels, pixels * down / across) <= WIDEST:
        raise PanelError(
            f"width={width:g} at dpi={dpi:g} is {pixels:.0f} pixels; 1 to {WIDEST} fit in either direction"
        )
    drawn = _converter().svg_to_png(svg.clean(figure), scale=pixels / across, ppi=72)
    image = Image.open(io.BytesIO(drawn)).convert("RGB")
    info = PngInfo()
    for name, text in _texts(about).items():
        info.add_itxt(name, text) if not text.isascii() else info.add_text(name, text)
    held = io.BytesIO()
    image.save(held, "PNG", pnginfo=info, dpi=(dpi, dpi))
    return held.getvalue()


def _write_pdf(figure: str, about: About, width: float, _dpi: float) -> bytes:
    drawn = _converter().svg_to_pdf(_sized(figure, 72 * width, "", ""))  # a unit is a point there
    return _with_information(drawn, _texts(about))


_WRITERS = {".svg": _write_svg, ".png": _write_png, ".pdf": _write_pdf}


def _converter() -> ModuleType:
    try:
        import vl_convert
    except ImportError:
        raise PanelError(
            "saving as PNG or PDF needs vl-convert-python: pip install 'attn-widgets[save]'; or save as .svg"
        ) from None
    return vl_convert


def _size(figure: str) -> tuple[float, float]:
    root = _ROOT.match(figure)
    if root is None:
        raise PanelError("a figure must begin with <svg …> that has a width and a height; write it with svg.drawing")
    return float(root["width"]), float(root["height"])


def _sized(figure: str, width: float, unit: str, more: str) -> str:
    """Give the drawing a width in a unit, its height to match, and `more` as its first children."""
    across, down = _size(figure)
    root = _ROOT.match(figure)
    assert root is not None
    size = f' width="{width:g}{unit}" height="{width * down / across:.6g}{unit}"'
    start, end = root.span("size")
    return svg.clean(f"{figure[:start]}{size}{figure[end : root.end()]}{more}{figure[root.end() :]}")


def _texts(about: About) -> dict[str, str]:
    return {
        "Title": title_of(about),
        "Software": str(about.get("version", "attn_widgets")),
        "Description": describe(about),
    }


def _metadata(about: About) -> str:
    """Dublin Core, as drawing programs read it."""
    texts = {name: escape(text) for name, text in _texts(about).items()}
    return (
        f'<title>{texts["Title"]}</title><metadata><rdf:RDF {_SPACES}><cc:Work rdf:about="">'
        f"<dc:format>image/svg+xml</dc:format><dc:title>{texts['Title']}</dc:title>"
        f"<dc:creator><cc:Agent><dc:title>{texts['Software']}</dc:title></cc:Agent></dc:creator>"
        f"<dc:description>{texts['Description']}</dc:description></cc:Work></rdf:RDF></metadata>"
    )


def _with_information(pdf: bytes, texts: Mapping[str, str]) -> bytes:
    """Append an information dictionary to a PDF, as an update that leaves all before it as it was."""
    trailer = pdf[pdf.rindex(b"trailer") :]
    size, root, start = (re.search(p, trailer) for p in (rb"/Size (\d+)", rb"/Root (\d+ \d+ R)", rb"startxref\s+(\d+)"))
    assert size is not None
    assert root is not None
    assert start is not None
    names = {"Title": "Title", "Software": "Creator", "Description": "Subject"}
    number = int(size[1])
    entries = "".join(f" /{names[name]} <{_utf16(text)}>" for name, text in texts.items())
    update = f"{number} 0 obj\n<<{entries} >>\nendobj\n".encode()
    place = len(pdf) + 1
    end = (
        f"xref\n{number} 1\n{place:010d} 00000 n \ntrailer\n<< /Size {number + 1} /Root {root[1].decode()} "
        f"/Info {number} 0 R /Prev {start[1].decode()} >>\nstartxref\n{place + len(update)}\n%%EOF\n"
    )
    return pdf + b"\n" + update + end.encode()


def _utf16(text: str) -> str:
    return f"\ufeff{text}".encode("utf-16-be").hex()
