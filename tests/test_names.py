from __future__ import annotations

import pytest

from attn_widgets.errors import AttnError
from attn_widgets.trace import head_name, parse_head


def test_names_count_from_zero() -> None:
    assert head_name(1, 3) == "L1H3"
    assert parse_head("L1H3") == (1, 3)
    assert parse_head(" l0h12 ") == (0, 12)


@pytest.mark.parametrize("name", ["", "L1", "H1L1", "L1H", "L-1H0", "L1H3 L1H4", "L١H٣", "1.3"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(
        AttnError, match="names no head; write layer and head, counted from zero, for example L0H1"
    ) as e:
        parse_head(name)
    assert "\n" not in str(e.value)
