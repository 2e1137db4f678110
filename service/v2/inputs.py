"""Named arrays → rows: the model file's own tensors, or an array for each feature, as people who think in columns send.

Numbers of any datatype are rounded to float32, as those of every other format are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from contract.faults import MAX_SHOWN, shorten, text_types
from contract.model_file import X_CAT, X_NUM
from contract.schema import CategoricalFeature, Schema
from contract.tensors import RowReader, Tensors, no_texts, to_float32
from service.errors import InvalidBody
from service.formats.rows import Rows, check_count
from service.formats.typed_columns import read_typed_columns
from service.predictor import Predictor
from service.v2.datatypes import BOOL, BYTES, INTEGERS

TEXT = frozenset({str})


class Input(msgspec.Struct, frozen=True):
    """An input of a request, whose shape was checked. `array` is `(n_elements,)`, in row-major order: numbers of the
    datatype; or objects, where it is BYTES (str) or holds null (None).
    """

    name: str
    datatype: str
    n_rows: int
    array: np.ndarray


class Wanted(msgspec.Struct, frozen=True):
    """The shape `[n_rows, width]` that inputs must have, of one width for each by its name. `names` are all of them."""

    widths: Mapping[str, int]
    names: Sequence[str]
    by_feature: bool


class InputReader:
    """Reads the inputs of one schema. Holds nothing that changes; any number of threads may share it."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        widths = {X_NUM: len(reader.schema.numeric), X_CAT: len(reader.schema.categorical)}
        self._tensors = _wanted({name: width for name, width in widths.items() if width}, by_feature=False)
        self._features = _wanted(dict.fromkeys(reader.names, 1), by_feature=True)

    @property
    def schema(self) -> Schema:
        """The schema of its rows."""
        return self._reader.schema

    @property
    def n_features(self) -> int:
        return len(self._reader.names)

    def find_wanted(self, names: Sequence[str]) -> Wanted:
        """What inputs of these names must be.

        Raises:
            InvalidBody: they are neither the model's tensors nor its features.
        """
        if names == self._tensors.names:  # as nearly always
            return self._tensors
        given = set(names)
        wanted = self._tensors if given <= self._tensors.widths.keys() else self._features
        if given == wanted.widths.keys() and len(names) == len(given):
            return wanted
        rule = f"inputs must be {' and '.join(self._tensors.widths)}, or one for each feature"
        if unknown := next((name for name in names if name not in wanted.widths), None):
            raise InvalidBody(f"{rule}; got {shorten(unknown)}")
        if lacking := [name for name in wanted.widths if name not in given]:
            raise InvalidBody(f"{rule}; lacks {shorten(', '.join(lacking))}")
        raise InvalidBody(f"{rule}; got one of them twice")

    def read(self, inputs: Sequence[Input], wanted: Wanted) -> Rows:
        """The rows of a request's inputs, which are those that are wanted.

        Raises:
            InvalidBody: inputs are of several lengths, or of datatypes that their features do not take.
            InvalidRows: a number is infinite as float32.
        """
        n_rows, named = inputs[0].n_rows, {}
        for one in inputs:
            if one.n_rows != n_rows:
                raise InvalidBody(f"inputs must all have as many rows, got {n_rows} and {one.n_rows}")
            named[one.name] = one
        return Rows(self._read_features(named, n_rows) if wanted.by_feature else self._read_tensors(named, n_rows))

    def _read_tensors(self, inputs: Mapping[str, Input], n_rows: int) -> Tensors:
        reader = self._reader
        unseen: Mapping[int, list[str]] = {}
        if X_CAT in inputs:
            x_cat = _texts(inputs[X_CAT], TEXT).reshape(n_rows, -1)
            unseen = reader.find_unseen(x_cat)
        else:
            x_cat = no_texts(n_rows)
        if X_NUM not in inputs:
            return Tensors(np.empty((n_rows, 0), np.float32), x_cat, unseen)
        numbers = _numbers(inputs[X_NUM])
        try:
            return Tensors(to_float32(numbers).reshape(n_rows, -1), x_cat, unseen)
        except ValueError:  # the rows are read again as any others, to say which one it is
            return reader.read(reader.write(Tensors(numbers.reshape(n_rows, -1), x_cat, {})))

    def _read_features(self, inputs: Mapping[str, Input], n_rows: int) -> Tensors:
        columns = [
            _texts(inputs[feature.name], text_types(feature))
            if isinstance(feature, CategoricalFeature)
            else _numbers(inputs[feature.name])
            for feature in self._reader.schema.features
        ]
        tensors = read_typed_columns(columns, self._reader, n_rows)
        if tensors is None:
            return self._reader.read(list(zip(*(column.tolist() for column in columns), strict=True)))
        return tensors


def input_reader(predictor: Predictor) -> InputReader:
    """The reader of a version's inputs."""
    reader: InputReader | None = predictor.prepared.get(InputReader)
    if reader is None:
        reader = predictor.prepared[InputReader] = InputReader(predictor.reader)
    return reader


def _wanted(widths: Mapping[str, int], *, by_feature: bool) -> Wanted:
    return Wanted(widths, list(widths), by_feature)


def check_shape(name: str, shape: Sequence[int], wanted: Wanted, max_rows: int) -> int:
    """The number of rows of an input.

    Raises:
        InvalidBody: it has another shape than `[n_rows, width]`, or `[n_rows]` for a feature; or no rows.
        BodyTooLarge: it has more than `max_rows`.
    """
    width = wanted.widths[name]
    is_known = (len(shape) == 2 and shape[1] == width) or (wanted.by_feature and len(shape) == 1)
    if not is_known or shape[0] < 0:
        expected = "[n_rows] or [n_rows, 1]" if wanted.by_feature else f"[n_rows, {width}]"
        raise InvalidBody(
            f"input {shorten(name)!r} must have the shape {expected}, got {shorten(str(list(shape[:MAX_SHOWN])))}"
        )
    check_count(shape[0], max_rows)
    return shape[0]


def _numbers(one: Input) -> np.ndarray:
    """Numbers, NaN where missing."""
    if one.datatype == BYTES:
        raise InvalidBody(f"input {one.name!r} must be of a datatype of numbers, got {BYTES}")
    if one.array.dtype == object:
        return one.array.astype(np.float64)  # None becomes NaN
    return one.array.astype(np.uint8) if one.datatype == BOOL else one.array


def _texts(one: Input, types: frozenset[type]) -> np.ndarray:
    """Texts as objects, empty where missing."""
    if one.datatype == BYTES:
        if None in one.array:
            return np.array(["" if text is None else text for text in one.array], object)
        return one.array
    if (one.datatype in INTEGERS and int in types) or (one.datatype == BOOL and bool in types):
        return np.array(["" if cell is None else str(cell).lower() for cell in one.array.tolist()], object)
    other = " or an integer's" if int in types else " or BOOL" if bool in types else ""
    raise InvalidBody(f"input {one.name!r} must be of the datatype {BYTES}{other}, got {one.datatype}")
