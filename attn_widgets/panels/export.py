"""A panel as one file that opens offline: the same front end on a model that lives in the page.

The page may load nothing (a content policy forbids the network), and every script in it is
named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from html import escape
from pathlib import Path
from typing import Any

from attn_widgets.panels.base import STATIC
from attn_widgets.panels.files import write_whole

BUDGET = 8 << 20
"""Default size of a page, in bytes."""

_POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}' blob:; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="attn_widgets {version}">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; padding: 24px; background: light-dark(#f6f7f9, #0f1114); font: 14px/1.5 system-ui, sans-serif; }}
main {{ max-width: 1180px; margin: 0 auto; }}
</style>
</head>
<body>
<main id="attn-panel"><noscript>This page draws with JavaScript, which is switched off here.</noscript></main>
<script type="application/json" id="attn-data">{data}</script>
<script type="text/plain" id="attn-module">{module}</script>
<script>{host}</script>
</body>
</html>
"""


def page(module: str, traits: dict[str, Any], buffers: dict[str, bytes], title: str) -> str:
    """Write the page that runs a front-end module on these traits.

    Parameters
    ----------
    module
        Name of the bundle in ``static``.
    traits, buffers
        JSON-ready traits, and those that are bytes.
    title
        Of the browser's tab.
    """
    from attn_widgets import __version__

    host = (STATIC / "host.js").read_text("utf-8").strip()
    packed = {name: base64.b64encode(data).decode() for name, data in buffers.items()}
    return _PAGE.format(
        policy=_POLICY.format(hash=base64.b64encode(hashlib.sha256(host.encode()).digest()).decode()),
        version=__version__,
        title=escape(title),
        data=script_json({"traits": traits, "buffers": packed}),
        module=base64.b64encode((STATIC / module).read_bytes()).decode(),
        host=host,
    )


def script_json(data: Any) -> str:
    r"""JSON that may stand in a script element: no ``</script>``, no ``<!--``, plain ASCII."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_page(path: str | os.PathLike[str], content: str) -> Path:
    """Write a file whole or not at all."""
    return write_whole(path, content.encode("utf-8"))
