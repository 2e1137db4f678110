"""Arrow IPC streams → rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contract.faults import shorten, text_types
from contract.schema import CategoricalFeature, Feature
from contract.tensors import RowReader
from service.errors import InvalidBody, MalformedBody
from service.formats.arrow.columns import Column, Kind, TextAllowance
from service.formats.arrow.flatbuffer import BadBuffer
from service.formats.arrow.stream import Stream
from service.formats.rows import Rows, check_count, find_columns, read_table
from service.formats.typed_columns import read_typed_columns


def read(body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """The rows of an Arrow IPC stream (`service.formats.rows.Read`).

    Numbers, text and booleans, also from dictionaries, mean what the same cells mean in JSON; a null is missing.
    """
    try:
        return _read(body, reader, max_rows, partial=partial)
    except BadBuffer as error:
        raise MalformedBody(f"a body must be an Arrow IPC stream: {error}") from None


def _read(body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    stream = Stream(body)
    check_count(stream.n_rows, max_rows)
    positions = find_columns([field.name for field in stream.fields], reader)
    for field in (stream.fields[position] for position in positions):
        if Kind.OTHER in (field.kind, field.values and field.values.kind):
            raise InvalidBody(f"a feature's column must hold numbers, text or booleans; {shorten(field.name)} does not")
    parts = stream.columns(positions)
    allowance = TextAllowance(body)
    features = zip(reader.schema.features, parts, strict=True)
    typed = (_typed(feature, part, allowance) for feature, part in features)
    if tensors := read_typed_columns(typed, reader, stream.n_rows):
        return Rows(tensors, {} if partial else None)
    # What does not fit is explained by those who know JSON's cells.
    allowance = TextAllowance(body)
    columns = [np.concatenate([column.cells(allowance) for column in part]).tolist() for part in parts]
    return read_table(reader.names, columns, reader, max_rows, partial=partial)


def _typed(feature: Feature, part: Sequence[Column], allowance: TextAllowance) -> np.ndarray | None:
    """The cells of a feature as numbers or as texts; None where they are of other types than those it takes."""
    if not isinstance(feature, CategoricalFeature):
        numbers = [values for column in part if (values := column.floats()) is not None]
        return _join(numbers) if len(numbers) == len(part) else None
    cells = _join([column.cells(allowance) for column in part])
    types = set(map(type, cells))
    if types == {str}:
        return cells
    if not types <= text_types(feature):
        return None
    cells[:] = ["" if cell is None else cell if type(cell) is str else str(cell).lower() for cell in cells]
    return cells


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
