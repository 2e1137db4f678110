"""What is wrong with rows that do not fit a model: every fault counted, the first of them spelt out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from contract.errors import Fault, InvalidRows
from contract.schema import CategoricalFeature, Feature, Schema

MAX_FAULTS = 50
"""How many faults an error spells out. Bodies come from strangers: what a fault costs must not grow with their size."""
MAX_SHOWN = 60
"""How many characters of a wrong value an error shows."""

NUMBER = "a finite float32 number or null"
"""What a numeric feature expects, as faults say it."""
FLOAT32_LIMIT = 2.0**128 - 2.0**103
"""From here on a number rounds to infinity as float32."""
WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
"""An integer as Python writes it: `007` is not one, for the integer 7 would not find it again."""


def is_integer_coded(categories: Sequence[str]) -> bool:
    """Whether all categories are whole numbers, so that an integer cell may stand for its decimal text."""
    return bool(categories) and all(map(WHOLE_NUMBER.fullmatch, categories))


def is_boolean(categories: Sequence[str]) -> bool:
    """Whether the categories are `true` and `false`, so that a boolean cell may stand for its JSON text."""
    return bool(categories) and set(categories) <= {"true", "false"}


def text_types(feature: CategoricalFeature) -> frozenset[type]:
    """The types of cell that a categorical feature takes."""
    integer = {int} if is_integer_coded(feature.categories) else set()
    boolean = {bool} if is_boolean(feature.categories) else set()
    return frozenset({str, type(None), *integer, *boolean})


def find_faults(schema: Schema, rows: Sequence[Any]) -> InvalidRows:
    """The error that lists what is wrong with `rows`.

    The cells of a row that has the wrong shape are not looked at; in the others every wrong cell is a fault.
    """
    by_name = _are_by_name(rows)
    shape_faults: list[Fault] = []
    n_faults = 0
    kept: list[int] = []
    for index, row in enumerate(rows):
        n_wrong = _count_shape_faults(schema, row, by_name=by_name)
        if not n_wrong:
            kept.append(index)
        elif len(shape_faults) < MAX_FAULTS:
            shape_faults += _shape_faults(schema, index, row, by_name=by_name)
        n_faults += n_wrong
    cell_faults, n_wrong = _cell_faults(schema, rows, np.array(kept, dtype=np.int64), by_name=by_name)
    n_faults += n_wrong
    if not n_faults:
        raise AssertionError("rows that could not be read must have a fault")
    first = sorted(shape_faults + cell_faults, key=lambda fault: fault.row)[:MAX_FAULTS]
    return InvalidRows(first, n_faults)


def find_first_faults(schema: Schema, rows: Sequence[Any]) -> dict[int, Fault]:
    """The first fault of each row that has one, by row, ascending."""
    by_name = _are_by_name(rows)
    faults: dict[int, Fault] = {}
    kept: list[int] = []
    for index, row in enumerate(rows):
        if _count_shape_faults(schema, row, by_name=by_name):
            faults[index] = next(_shape_faults(schema, index, row, by_name=by_name))
        else:
            kept.append(index)
    for row, position in _wrong_positions(schema, rows, np.array(kept, dtype=np.int64), by_name=by_name).tolist():
        if row not in faults:
            faults[row] = _cell_fault(schema.features[position], rows, row, position)
    return dict(sorted(faults.items()))


def show(value: object) -> str:
    """A scalar as JSON, shortened; of anything else only the kind."""
    if type(value) is str:
        return shorten(json.dumps(value[: MAX_SHOWN + 1]))
    if value is not None and type(value) not in (bool, int, float):
        return _kind_of(value)
    try:
        return shorten(json.dumps(value))
    except ValueError:  # an integer of more digits than Python writes
        return _kind_of(value)


def shorten(text: str) -> str:
    """The first `MAX_SHOWN` characters."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _are_by_name(rows: Sequence[Any]) -> bool:
    """Whether rows should be objects: the first one that is an object or an array says so."""
    return next((type(row) is dict for row in rows if type(row) in (dict, list, tuple)), False)


def _count_shape_faults(schema: Schema, row: Any, *, by_name: bool) -> int:
    if by_name:
        return len({feature.name for feature in schema.features} ^ row.keys()) if type(row) is dict else 1
    return int(type(row) not in (list, tuple) or len(row) != len(schema.features))


def _shape_faults(schema: Schema, index: int, row: Any, *, by_name: bool) -> Iterator[Fault]:
    names = [feature.name for feature in schema.features]
    if by_name and type(row) is not dict:
        yield Fault(row=index, expected="an object, as the first row is", got=_kind_of(row))
    elif not by_name and type(row) not in (list, tuple):
        yield Fault(row=index, expected="an array of values", got=_kind_of(row))
    elif by_name:
        for name in names:
            if name not in row:
                yield Fault(row=index, feature=name, expected="a value, or null where it is missing", got="nothing")
        for name in sorted(map(str, row.keys() - set(names)))[:MAX_FAULTS]:
            shown = shorten(name).encode(errors="backslashreplace").decode()  # JSON writes no lone surrogates
            yield Fault(row=index, feature=shown, expected="only features of the model", got="another")
    else:
        yield Fault(row=index, expected=f"{len(names)} values ({shorten(', '.join(names))})", got=str(len(row)))


def _cell_faults(schema: Schema, rows: Sequence[Any], kept: np.ndarray, *, by_name: bool) -> tuple[list[Fault], int]:
    cells = _wrong_positions(schema, rows, kept, by_name=by_name)
    first = cells[np.argsort(cells[:, 0], kind="stable")[:MAX_FAULTS]]
    faults = [_cell_fault(schema.features[position], rows, index, position) for index, position in first.tolist()]
    return faults, len(cells)


def _wrong_positions(schema: Schema, rows: Sequence[Any], kept: np.ndarray, *, by_name: bool) -> np.ndarray:
    """Row and feature of each wrong cell, int64 `(n_cells, 2)`, feature by feature."""
    wrong = []
    for position, feature in enumerate(schema.features):
        key = feature.name if by_name else position
        bad = kept[_wrong_cells(feature, [rows[index][key] for index in kept])]
        wrong.append(np.stack([bad, np.full_like(bad, position)], axis=1))
    return np.concatenate(wrong)


def _wrong_cells(feature: Feature, column: Sequence[Any]) -> np.ndarray:
    """Which cells of a column do not fit its feature: bool `(n_samples,)`."""
    if isinstance(feature, CategoricalFeature):
        good = text_types(feature)
        return np.array([not _is_text(cell, good) for cell in column], dtype=bool)
    return np.array([not _is_number(cell) for cell in column], dtype=bool)


def _cell_fault(feature: Feature, rows: Sequence[Any], index: int, position: int) -> Fault:
    row = rows[index]
    cell = row[feature.name] if isinstance(row, dict) else row[position]
    return Fault(row=index, feature=feature.name, expected=_expected(feature, cell), got=show(cell))


def _expected(feature: Feature, cell: object) -> str:
    if not isinstance(feature, CategoricalFeature):
        return NUMBER
    if type(cell) is str:
        return "text that is valid Unicode"
    if is_integer_coded(feature.categories):
        return "a string, an integer or null"
    return "a string, a boolean or null" if is_boolean(feature.categories) else "a string or null"


def _is_text(cell: object, good: frozenset[type]) -> bool:
    if type(cell) not in good:
        return False
    try:
        str(cell).encode()
    except ValueError:  # a lone surrogate, which no string tensor takes; an integer of more digits than Python writes
        return False
    return True


def _is_number(cell: object) -> bool:
    if cell is None:
        return True
    if type(cell) is not float and type(cell) is not int:
        return False
    try:
        return not abs(float(cell)) >= FLOAT32_LIMIT  # and so NaN is one
    except OverflowError:
        return False


def _kind_of(value: object) -> str:
    kinds: dict[type, str] = {
        dict: "an object",
        list: "an array",
        tuple: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return kinds.get(type(value), type(value).__name__)
