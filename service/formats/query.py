"""What the query of a prediction asks for, beside what its headers do."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple
from urllib.parse import parse_qsl

from contract.faults import shorten
from service.errors import InvalidBody
from service.formats.outputs import ALL, DECISION, parse_outputs


class WantedSets(NamedTuple):
    """Prediction sets of a level, above 0 and below 1; with `per_class` it is kept for each class by itself."""

    level: float
    per_class: bool


class Query(NamedTuple):
    """Which outputs are written, whether bad rows are listed, and which prediction sets are added, if any.

    `needs_decision` tells that a decision was asked for by name.
    """

    outputs: Set[str]
    partial: bool
    sets: WantedSets | None
    needs_decision: bool


def read_query(query: bytes) -> Query:
    """What a query asks for; of a parameter that stands in it twice the last one counts.

    Raises:
        InvalidBody: it has another parameter, or a value that the parameter cannot have.
    """
    outputs: Set[str] = ALL
    flags = {"partial": False, "per_class": False}
    level: float | None = None
    needs_decision = False
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "outputs":
            outputs = parse_outputs(value)
            needs_decision = DECISION in outputs
        elif name == "prediction_set":
            level = _level(value)
        elif name in flags:
            flags[name] = _flag(name, value)
        else:
            known = "outputs, partial, prediction_set or per_class"
            raise InvalidBody(f"a query must hold {known} only, got {shorten(name)!r}")
    if level is None and flags["per_class"]:
        raise InvalidBody("per_class needs a prediction_set, got none")
    sets = None if level is None else WantedSets(level, flags["per_class"])
    return Query(outputs, flags["partial"], sets, needs_decision)


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0 < level < 1:
        raise InvalidBody(f"prediction_set must be a number above 0 and below 1, got {shorten(text)!r}")
    return level


def _flag(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise InvalidBody(f"{name} must be true or false, got {shorten(text)!r}")
    return text == "true"
