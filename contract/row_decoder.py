"""JSON → rows with a cell of the right type for each feature, in one pass of a decoder made for the schema.

What it takes, `contract.tensors.RowReader.read_typed` need not look at again. What it does not take may still be rows,
or be worth an explanation: `contract.tensors.RowReader.read` knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from contract.faults import text_types
from contract.schema import CategoricalFeature, Feature, Schema

UNDECODABLE_NAME = re.compile(r'[\\"\x00-\x1f]')
"""What msgspec has in no name of a field; `RowReader.read` reads objects with such names."""

TypedRow = tuple[float | int | str | bool | None, ...]


class RowDecoder:
    """Decodes the rows of one schema, each an array in feature order or an object by feature name.

    Raises, in both methods:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is no JSON.
        msgspec.ValidationError, TypeError: rows of other lengths, names or types than the schema's; some are arrays,
            others objects; or the document is another one.
    """

    def __init__(self, schema: Schema) -> None:
        row = _row(schema)
        rows: Any = list[row]  # type: ignore[valid-type] # made of the schema
        document = msgspec.defstruct("Document", [("instances", rows)], forbid_unknown_fields=True)
        self._documents = msgspec.json.Decoder(document)
        self._lines = msgspec.json.Decoder(row)

    def decode(self, document: bytes) -> Sequence[TypedRow]:
        """The rows of `{"instances": [row, …]}`."""
        rows: list[Any] = self._documents.decode(document).instances  # type: ignore[attr-defined] # defined above
        return _tuples(rows)

    def decode_lines(self, lines: bytes) -> Sequence[TypedRow]:
        """The rows of a text with one in each line."""
        return _tuples(self._lines.decode_lines(lines))


def _row(schema: Schema) -> Any:
    cells = [_cell(feature) for feature in schema.features]
    names = {f"f{position}": feature.name for position, feature in enumerate(schema.features)}
    array: Any = tuple[tuple(cells)]  # type: ignore[misc] # as many as the schema has
    if any(map(UNDECODABLE_NAME.search, names.values())):
        return array
    by_name: Any = msgspec.defstruct(
        "Row", list(zip(names, cells, strict=True)), rename=names, forbid_unknown_fields=True, gc=False
    )
    return array | by_name


def _cell(feature: Feature) -> Any:
    if not isinstance(feature, CategoricalFeature):
        return float | None
    union: Any = None
    for kind in text_types(feature):
        union = kind | union
    return union


def _tuples(rows: list[Any]) -> Sequence[TypedRow]:
    if not rows or type(rows[0]) is tuple:
        return rows
    return list(map(msgspec.structs.astuple, rows))
