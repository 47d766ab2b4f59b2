"""The way to `attn_widgets.api`, which loads torch, from magics, which must work where torch does not."""

from __future__ import annotations

from types import ModuleType

from attn_widgets.errors import AttnError


def load() -> ModuleType:
    """Import `attn_widgets.api`.

    Raises
    ------
    AttnError
        One line where PyTorch or another library cannot be imported.
    """
    try:
        from attn_widgets import api
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        name = getattr(error, "name", None) or "PyTorch"
        raise AttnError(
            f"{name} cannot be imported ({first[0]}); try: python -m pip install --force-reinstall torch"
        ) from error
    return api
