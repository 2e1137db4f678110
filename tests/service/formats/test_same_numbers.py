"""Whatever the format, the same rows become the same tensors, and the same rows are at fault."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import Fault, InvalidRows
from contract.schema import CategoricalFeature, Schema
from contract.tensors import RowReader, Tensors
from contract.text_cells import MISSING
from service.formats import csv_rows
from service.formats.arrow import rows as arrow_rows
from service.formats.json_rows import read_document, read_lines
from service.formats.mlflow_rows import read_invocation
from service.formats.rows import Rows, read_rows

LABELS = ("a", "b")
FLAG = CategoricalFeature(name="flag, or so", missing=True, categories=("false", "true"))
CODE = CategoricalFeature(name='"code"', missing=True, categories=("1", "2", "-30"))

NUMBERS = st.none() | st.floats() | st.floats(width=32) | st.integers(-(2**63), 2**63 - 1)
GOOD_NUMBERS = st.none() | st.floats(-3e38, 3e38) | st.floats(width=32, allow_infinity=False) | st.integers(-999, 999)
# Cells of a text table are stripped, some texts are missing there, and a NUL has no place in it.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20).map(
    lambda text: "" if text.strip() in MISSING else text.strip()
)


def schemas(foundry: Any) -> dict[str, Schema]:
    mixed = foundry.mixed()
    return {
        "numbers": foundry.numeric(),
        "one number": Schema(target="y", features=(foundry.number("x"),), labels=LABELS),
        "mixed": mixed,
        "texts": Schema(target="y", features=mixed.categorical, labels=LABELS),
        "flags and codes": Schema(target="y", features=(FLAG, foundry.number("Größe"), CODE), labels=LABELS),
    }


def cells_of(feature: Any, numbers: Any) -> Any:
    """Cells of which a text table knows the spelling, as JSON would have them."""
    if not isinstance(feature, CategoricalFeature):
        return numbers
    others = {FLAG: st.booleans(), CODE: st.integers(-40, 40)}.get(feature, st.nothing())
    return others | st.none() if feature in (FLAG, CODE) else st.sampled_from(feature.categories) | st.none() | TEXTS


@st.composite
def tables(draw: st.DrawFn, schema: Schema, numbers: Any) -> list[list[Any]]:
    row = st.tuples(*(cells_of(feature, numbers) for feature in schema.features)).map(list)
    return draw(st.lists(row, min_size=1, max_size=12))


def to_csv(schema: Schema, rows: list[list[Any]], **dialect: Any) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, **dialect)
    writer.writerow([feature.name for feature in schema.features])
    writer.writerows([["NA" if cell is None else str(cell) for cell in row] for row in rows])
    return file.getvalue().encode()


def to_frame(schema: Schema, rows: list[list[Any]]) -> pl.DataFrame:
    columns = {}
    for position, feature in enumerate(schema.features):
        column = [row[position] for row in rows]
        if not isinstance(feature, CategoricalFeature):
            column = [None if cell is None else float(cell) for cell in column]
        columns[feature.name] = pl.Series(column, strict=True)
    return pl.DataFrame(columns)


def to_arrow(frame: pl.DataFrame, *, oldest: bool) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest() if oldest else None)
    return file.getvalue()


def readings(schema: Schema, rows: list[list[Any]]) -> dict[str, Callable[..., Rows]]:
    """The ways to read `rows`."""
    reader = RowReader(schema)
    names = [feature.name for feature in schema.features]
    frame = to_frame(schema, rows)
    coded = frame.with_columns(pl.col(pl.String).cast(pl.Categorical))
    # Missing is null in JSON; NaN is none of its words, but the way in which one has to be told of an infinity.
    plain = [[None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row] for row in rows]
    objects = [dict(zip(names, row, strict=True)) for row in plain]
    columns = {name: [row[name] for row in objects] for name in reversed(names)}
    bodies = {
        "json arrays": (read_document, json.dumps({"instances": plain}).encode()),
        "json objects": (read_document, json.dumps({"instances": objects}).encode()),
        "json columns": (read_document, json.dumps({"columns": columns}).encode()),
        "a pandas frame": (read_document, json.dumps({"columns": names, "data": plain}).encode()),
        "lines of arrays": (read_lines, "\n".join(map(json.dumps, plain)).encode()),
        "lines of objects": (read_lines, "\r\n".join(map(json.dumps, objects)).encode()),
        "mlflow": (read_invocation, json.dumps({"inputs": columns}).encode()),
        "csv": (csv_rows.read, to_csv(schema, rows)),
        "csv in quotes": (csv_rows.read, to_csv(schema, rows, lineterminator="\n", quoting=csv.QUOTE_ALL)),
        "arrow": (arrow_rows.read, to_arrow(frame, oldest=False)),
        "arrow with offsets": (arrow_rows.read, to_arrow(frame, oldest=True)),
        "arrow with dictionaries": (arrow_rows.read, to_arrow(coded, oldest=False)),
        "arrow in another order": (arrow_rows.read, to_arrow(frame.select(reversed(names)), oldest=True)),
    }
    return {
        name: lambda partial, read=read, body=body: read(body, reader, 100, partial=partial)
        for name, (read, body) in bodies.items()
    }


def contents(tensors: Tensors) -> tuple[bytes, list[Any], dict[int, list[str]]]:
    """Numbers bit by bit, but for the sign of what is missing."""
    x_num = np.where(np.isnan(tensors.x_num), np.float32("nan"), tensors.x_num)
    return x_num.tobytes(), tensors.x_cat.tolist(), dict(tensors.unseen)


@pytest.mark.parametrize("name", ["numbers", "one number", "mixed", "texts", "flags and codes"])
@settings(max_examples=50)  # each is read in a dozen ways
@given(data=st.data())
def test_every_format_gives_the_same_tensors(foundry: Any, name: str, data: st.DataObject) -> None:
    schema = schemas(foundry)[name]
    rows = data.draw(tables(schema, GOOD_NUMBERS))
    want = contents(RowReader(schema).read(rows))
    for way, read in readings(schema, rows).items():
        for partial in (False, True):
            got = read(partial=partial)
            assert contents(got.tensors) == want, way
            assert got.faults == ({} if partial else None), way


@pytest.mark.parametrize("name", ["numbers", "one number", "mixed", "flags and codes"])
@settings(max_examples=50)  # each is read in a dozen ways
@given(data=st.data())
def test_every_format_finds_the_same_rows_at_fault(foundry: Any, name: str, data: st.DataObject) -> None:
    schema = schemas(foundry)[name]
    rows = data.draw(tables(schema, NUMBERS))
    want = read_rows(rows, RowReader(schema), 100, partial=True)
    assert want.faults is not None
    for way, read in readings(schema, rows).items():
        got = read(partial=True)
        assert contents(got.tensors) == contents(want.tensors), way
        assert got.faults is not None
        assert places(got.faults.values()) == places(want.faults.values()), way
        if want.faults:
            with pytest.raises(InvalidRows) as caught:
                read(partial=False)
            assert {fault.row for fault in caught.value.faults} == set(want.faults), way


def places(faults: Iterable[Fault]) -> list[tuple[int, str | None, str]]:
    """Where faults are, and what was expected; a text table shows another value than JSON does."""
    return [(one.row, one.feature, one.expected) for one in faults]
