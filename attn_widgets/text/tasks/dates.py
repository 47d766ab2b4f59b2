"""Dates as people write them, to ISO 8601: ``July 4th, 1976`` → ``1976-07-04``.

The formats have one reading each: the month is a word, a Roman number, or follows the year.
``04/07/76`` is left out, since day, month and century would be guesses.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable

from attn_widgets.text.tasks.items import Item, Recipe

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
EXAMPLE = datetime.date(1976, 7, 4)
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


def _month(date: datetime.date) -> str:
    return MONTHS[date.month - 1]


def _weekday(date: datetime.date) -> str:
    return WEEKDAYS[date.weekday()]


def _ordinal(date: datetime.date) -> str:
    ending = "th" if date.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(date.day % 10, "th")
    return f"{date.day}{ending}"


WRITERS: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {_month(d)} {d.year}",
    lambda d: f"{d.day} {_month(d)[:3]} {d.year}",
    lambda d: f"{_month(d)} {d.day}, {d.year}",
    lambda d: f"{_month(d)[:3]} {d.day}, {d.year}",
    lambda d: f"{_month(d)} {_ordinal(d)}, {d.year}",
    lambda d: f"{_ordinal(d)} {_month(d)} {d.year}",
    lambda d: f"{_ordinal(d)} of {_month(d)} {d.year}",
    lambda d: f"the {_ordinal(d)} of {_month(d)}, {d.year}",
    lambda d: f"{_weekday(d)}, {d.day} {_month(d)} {d.year}",
    lambda d: f"{_weekday(d)}, {_month(d)} {d.day}, {d.year}",
    lambda d: f"{_weekday(d)[:3]} {d.day} {_month(d)[:3]} {d.year}",
    lambda d: f"{d.day:02}-{_month(d)[:3]}-{d.year}",
    lambda d: f"{d.day:02} {_month(d)[:3].upper()} {d.year}",
    lambda d: f"{d.day}.{ROMAN[d.month - 1]}.{d.year}",
    lambda d: f"{d.year} {_month(d)} {d.day}",
    lambda d: f"{d.year}-{_month(d)[:3]}-{d.day:02}",
    lambda d: f"{d.year}/{d.month:02}/{d.day:02}",
    lambda d: f"{d.year}{d.month:02}{d.day:02}",
    lambda d: f"{_month(d).upper()} {d.day}, {d.year}",
    lambda d: f"{d.day} {_month(d).lower()} {d.year}",
)
FORMATS = {write(EXAMPLE): write for write in WRITERS}
"""How to write a date, by the way that 4 July 1976 is written."""
NAMES = tuple(FORMATS)


def draw(rng: random.Random, group: str) -> Item:
    """Draw a date of the years 1900 to 2099, in the format `group` or any."""
    date = FIRST + datetime.timedelta(days=rng.randrange((LAST - FIRST).days + 1))
    name = group or rng.choice(NAMES)
    return Item(FORMATS[name](date), date.isoformat(), name)


RECIPE = Recipe(
    source=f"dates of 1900 to 2099 in {len(FORMATS)} formats, to ISO 8601",
    tokenizer="char",
    prompt="July 4th, 1976",
    metric="exact_match",
    draw=draw,
    groups=NAMES,
    per_group=50,
    identity=lambda item: item.target,  # split by date: a test date is new in every format
)
