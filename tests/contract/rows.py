"""Schemas, rows, and a cell-by-cell oracle that says without numpy what is right with them and what is wrong."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

from hypothesis import strategies as st

from contract.schema import CategoricalFeature, Feature, NumericFeature, Schema

FLOAT32_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
HALFWAY_TO_INFINITY = 2.0**128 - 2.0**103
"""The smallest number that rounds to infinity as float32; the one below it rounds to `FLOAT32_MAX`."""

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
ANY_TEXT = st.text(max_size=4)  # lone surrogates too
CATEGORY_SETS = [
    (),
    ("red", "green"),
    ("0", "1", "2"),
    ("-1", "10"),
    ("true", "false"),
    ("true",),
    ("1", "one"),
    ("007", "42"),
    ("-0",),
    ("٣",),
    ("-",),
    ("a\0", "😀"),
    ("True", "1.0"),
]

EDGE_NUMBERS = [
    0,
    -0.0,
    1e-50,
    5e-324,
    FLOAT32_MAX,
    -FLOAT32_MAX,
    math.nextafter(HALFWAY_TO_INFINITY, 0),
    HALFWAY_TO_INFINITY,
    -HALFWAY_TO_INFINITY,
    int(HALFWAY_TO_INFINITY),
    int(HALFWAY_TO_INFINITY) - 1,
    int(HALFWAY_TO_INFINITY) - 2**80,
    2**24 + 1,
    2**63,
    -(2**64),
    10**38,
    10**39,
    10**400,
    -(10**400),
    1.7e308,
    math.inf,
    -math.inf,
    math.nan,
]

NUMBERS = st.floats() | st.floats(width=32) | st.integers() | st.sampled_from(EDGE_NUMBERS)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)


def number(name: str) -> NumericFeature:
    return NumericFeature(name=name, missing=False, minimum=0.0, maximum=1.0, quantiles=())


def category(name: str, *categories: str) -> CategoricalFeature:
    return CategoricalFeature(name=name, missing=False, categories=categories)


def schema_of(*features: Feature) -> Schema:
    return Schema(target="y", features=features, labels=("no", "yes"))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(st.sampled_from("abcdefg") | UNICODE.filter(bool), min_size=1, max_size=5, unique=True))
    kinds = st.none() | st.sampled_from(CATEGORY_SETS)
    drawn = [(name, draw(kinds)) for name in names]
    return schema_of(*(number(name) if known is None else category(name, *known) for name, known in drawn))


def good_cells(feature: Feature) -> st.SearchStrategy[Any]:
    if isinstance(feature, NumericFeature):
        return st.none() | NUMBERS.filter(lambda cell: fits(feature, cell))
    known = st.sampled_from(["", *feature.categories])
    return st.none() | known | (UNICODE | st.integers() | st.booleans()).filter(lambda cell: fits(feature, cell))


@st.composite
def good_rows(draw: st.DrawFn, schema: Schema) -> list[list[Any]]:
    return draw(st.lists(st.tuples(*map(good_cells, schema.features)).map(list), max_size=5))


@st.composite
def any_rows(draw: st.DrawFn, schema: Schema) -> list[Any]:
    """Rows that are mostly well made, so that the wrong ones have company."""
    names = [feature.name for feature in schema.features]
    cells = [good_cells(feature) | JSON_VALUES for feature in schema.features]
    as_list = st.tuples(*cells).map(list)
    as_object = st.permutations(range(len(names))).flatmap(
        lambda order: st.tuples(*(cells[j] for j in order)).map(
            lambda row: {names[j]: cell for j, cell in zip(order, row, strict=True)}
        )
    )
    renamed = st.dictionaries(st.sampled_from(names) | ANY_TEXT, JSON_VALUES, max_size=len(names) + 2)
    ragged = st.lists(JSON_VALUES, max_size=len(names) + 2)
    well_made = draw(st.sampled_from([as_list, as_object]))
    return draw(st.lists(st.one_of(well_made, well_made, well_made, renamed, ragged, JSON_VALUES), max_size=6))


def fits(feature: Feature, cell: object) -> bool:
    """Whether a feature takes a cell."""
    if cell is None:
        return True
    if isinstance(feature, CategoricalFeature):
        return _fits_text(feature.categories, cell)
    return type(cell) in (int, float) and not math.isinf(as_float32(cell))


def as_float32(cell: Any) -> float:
    """The float32 nearest to a number, infinity beyond its range. One rounding from float64, as everywhere in C."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", float(cell)))[0]
    except OverflowError:
        return math.inf
    return rounded


def as_text(cell: Any) -> str:
    """The text that a cell of a categorical feature stands for."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def wrong_places(schema: Schema, rows: list[Any]) -> list[tuple[int, str | None]]:
    """Row and feature of everything that is wrong, in the order in which it is to be told."""
    by_name = next((isinstance(row, dict) for row in rows if isinstance(row, dict | list)), False)
    return [(index, where) for index, row in enumerate(rows) for where in _wrong_in(schema, row, by_name=by_name)]


def _wrong_in(schema: Schema, row: Any, *, by_name: bool) -> list[str | None]:
    names = [feature.name for feature in schema.features]
    if not isinstance(row, dict if by_name else list):
        return [None]
    if isinstance(row, dict):
        missing = [name for name in names if name not in row]
        unknown = sorted(name for name in row if name not in names)
        if missing or unknown:
            return [*missing, *unknown]
        row = [row[name] for name in names]
    if len(row) != len(names):
        return [None]
    return [feature.name for feature, cell in zip(schema.features, row, strict=True) if not fits(feature, cell)]


def _fits_text(categories: tuple[str, ...], cell: object) -> bool:
    if isinstance(cell, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in cell)
    if not categories:
        return False
    if isinstance(cell, bool):
        return all(text in ("true", "false") for text in categories)
    if not isinstance(cell, int):
        return False
    return all(re.fullmatch("0|-?[1-9][0-9]*", text) for text in categories)
