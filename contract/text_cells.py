"""What the cells of a text table mean: which are missing, which are numbers, and how categories are spelt.

A file that is trained on and a table that is sent to the service are read by the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from contract.faults import is_boolean, is_integer_coded

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
"""Cells that mean missing. A lone question mark is how the UCI files, which everyone starts with, write it."""
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A decimal number. Python's own float would take 1_000, infinity and other scripts' digits, too."""
WHOLE_FLOAT = re.compile(r"(0|-?[1-9][0-9]*)\.0+")
"""A whole number as programs write it where they keep it as a float, for the sake of missing cells beside it."""


def read_number(text: str) -> float | str | None:
    """A stripped cell of a numeric feature: what is no number stays as it is, None is missing."""
    if NUMBER.fullmatch(text):
        return float(text)
    return None if text in MISSING else text


def speller(categories: tuple[str, ...]) -> Callable[[str], str | None]:
    """What reads the stripped cells of a categorical feature, spelt as its categories are: TRUE as true, 1.0 as 1.

    None is missing.
    """
    spell: Callable[[str], str] = str
    if is_boolean(categories):
        spell = _plain_boolean
    elif is_integer_coded(categories):
        spell = _plain_integer
    return lambda text: None if text in MISSING else spell(text)


def _plain_boolean(text: str) -> str:
    return text.lower() if text.lower() in {"true", "false"} else text


def _plain_integer(text: str) -> str:
    return match[1] if (match := WHOLE_FLOAT.fullmatch(text)) else text
