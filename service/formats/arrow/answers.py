"""Answers → an Arrow IPC stream of one record batch (https://arrow.apache.org/docs/format/Columnar.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from contract.errors import Fault
from contract.schema import Label, label_text
from service.formats.arrow.flatbuffer import BOOL, I16, I32, I64, U8, Longs, Number, Slots, Tables, Text, encode
from service.formats.arrow.stream import CONTINUATION, PREFIX, RECORD_BATCH, SCHEMA
from service.formats.fault_text import fault_text
from service.formats.outputs import DECISION
from service.formats.scored import Scored

END = PREFIX.pack(CONTINUATION, 0)
V5 = 4
ALIGNMENT = 8

INT64: tuple[int, Slots] = (2, {0: Number(I32, 64), 1: Number(BOOL, 1)})
FLOAT32: tuple[int, Slots] = (3, {0: Number(I16, 1)})
UTF8: tuple[int, Slots] = (5, {})
BOOLEAN: tuple[int, Slots] = (6, {})
LIST: tuple[int, Slots] = (12, {})
FIXED_SIZE_LIST = 16
"""Types: their numbers, and the tables with their details."""


class Layout(NamedTuple):
    """What the schema of an answer depends on. `about` is the model and the version."""

    about: tuple[str, int]
    outputs: frozenset[str]
    labels: tuple[Label, ...]
    has_sets: bool
    has_unseen: bool
    has_error: bool


class Column(NamedTuple):
    """The nodes of a column and its children in a record batch, and their buffers."""

    nodes: list[int]
    buffers: list[bytes]


def write(scored: Scored, outputs: Set[str]) -> bytes:
    """The answers as an Arrow IPC stream (`service.formats.scored.Write`).

    Columns: `label` (text, integers or booleans, as the labels are), `class_index` (int64), `probabilities` and
    `logits` (lists of as many float32 as there are classes), `decision` (as `label`) where the version has a rule,
    `prediction_set` (lists of labels) where it was asked for, `unseen` (lists of feature names) where the model has
    categorical features, and, where bad rows are listed, `error` (text, null in good rows). In a bad row all else is
    null. The schema's metadata name the model and its version.
    """
    predictor = scored.predictor
    schema = predictor.schema
    layout = Layout(
        about=(predictor.name, predictor.version),
        outputs=frozenset(outputs if predictor.rule else outputs - {DECISION}),
        labels=schema.labels,
        has_sets=scored.sets is not None,
        has_unseen=bool(schema.categorical),
        has_error=scored.faults is not None,
    )
    columns = list(_columns(scored, layout))
    pieces: list[bytes] = []
    places: list[int] = []
    at = 0
    for buffer in chain.from_iterable(column.buffers for column in columns):
        padding = -len(buffer) % ALIGNMENT
        pieces += (buffer, bytes(padding))
        places += (at, len(buffer))
        at += len(buffer) + padding
    nodes = list(chain.from_iterable(column.nodes for column in columns))
    batch: Slots = {0: Number(I64, scored.n_rows), 1: Longs(nodes, 2), 2: Longs(places, 2)}
    return b"".join([_schema_message(layout), _metadata(RECORD_BATCH, batch, at), *pieces, END])


@lru_cache(maxsize=64)
def _schema_message(layout: Layout) -> bytes:
    lists: tuple[int, Slots] = FIXED_SIZE_LIST, {0: Number(I32, len(layout.labels))}
    label = {"bool": BOOLEAN, "int": INT64, "str": UTF8}[_label_type(layout.labels).__name__]
    fields = {
        "label": _field("label", label),
        "class_index": _field("class_index", INT64),
        "probabilities": _field("probabilities", lists, _field("item", FLOAT32)),
        "logits": _field("logits", lists, _field("item", FLOAT32)),
        DECISION: _field(DECISION, label),
    }
    chosen = [field for name, field in fields.items() if name in layout.outputs]
    if layout.has_sets:
        chosen.append(_field("prediction_set", LIST, _field("item", label)))
    if layout.has_unseen:
        chosen.append(_field("unseen", LIST, _field("item", UTF8)))
    if layout.has_error:
        chosen.append(_field("error", UTF8))
    name, version = layout.about
    about = {"litet.model": name, "litet.version": str(version)}
    metadata = Tables({0: Text(key), 1: Text(value)} for key, value in about.items())
    return _metadata(SCHEMA, {1: Tables(chosen), 2: metadata}, 0)


def _field(name: str, kind: tuple[int, Slots], *children: Slots) -> Slots:
    number, details = kind
    return {0: Text(name), 1: Number(BOOL, 1), 2: Number(U8, number), 3: details, 5: Tables(children)}


def _label_type(labels: Sequence[Label]) -> type[bool] | type[int] | type[str]:
    """What a column of all these labels holds."""
    if all(type(label) is bool for label in labels):
        return bool
    return int if all(type(label) is int and -(2**63) <= label < 2**63 for label in labels) else str


def _metadata(kind: int, header: Slots, n_bytes: int) -> bytes:
    """What stands before a message's body of so many bytes."""
    content = encode({0: Number(I16, V5), 1: Number(U8, kind), 2: header, 3: Number(I64, n_bytes)})
    return PREFIX.pack(CONTINUATION, len(content)) + content


class _Places:
    """Where the answers stand among the rows of the body: what the columns but `error` have in common."""

    def __init__(self, scored: Scored) -> None:
        self._n_rows = scored.n_rows
        self._answered = scored.answered() if scored.faults else None
        self.node = [scored.n_rows, scored.n_rows - scored.n_answers]
        self.validity = b"" if self._answered is None else _bits(np.isin(np.arange(self._n_rows), self._answered))

    def spread(self, values: np.ndarray) -> np.ndarray:
        """What belongs to the answers, for every row; zeros where there is no answer."""
        if self._answered is None:
            return values
        spread = np.zeros((self._n_rows, *values.shape[1:]), values.dtype)
        spread[self._answered] = values
        return spread

    def lists(self, counts: np.ndarray, items: Iterable[bytes]) -> Column:
        """A column of lists: `counts` int32 `(n_answers,)` items each; the items' buffers, less the first."""
        buffers = [self.validity, _offsets(self.spread(counts)), b"", *items]
        return Column([*self.node, int(counts.sum()), 0], buffers)


def _columns(scored: Scored, layout: Layout) -> Iterator[Column]:
    answers, places = scored.answers, _Places(scored)
    if "label" in layout.outputs:
        labels = _labels(layout.labels, places.spread(answers.class_index))
        yield Column(places.node, [places.validity, *labels])
    if "class_index" in layout.outputs:
        yield Column(places.node, [places.validity, places.spread(answers.class_index).tobytes()])
    for name, matrix in (("probabilities", answers.probabilities), ("logits", answers.logits)):
        if name in layout.outputs:
            items = places.spread(matrix)
            yield Column([*places.node, items.size, 0], [places.validity, b"", items.tobytes()])
    decided = scored.decided(layout.outputs)
    if decided is not None:
        yield Column(places.node, [places.validity, *_labels(layout.labels, places.spread(decided))])
    if scored.sets is not None:
        counts = scored.sets.sum(axis=1, dtype=np.int32)
        yield places.lists(counts, _labels(layout.labels, scored.sets.nonzero()[1]))
    if layout.has_unseen:
        names = [name.encode() for row in sorted(scored.unseen) for name in scored.unseen[row]]
        counts = np.zeros(scored.n_answers, np.int32)
        counts[list(scored.unseen)] = list(map(len, scored.unseen.values()))
        yield places.lists(counts, _texts(names))
    if scored.faults is not None:
        yield _errors(scored.faults, scored.n_rows)


def _errors(faults: Mapping[int, Fault], n_rows: int) -> Column:
    texts = [b""] * n_rows
    for row, fault in faults.items():
        texts[row] = fault_text(fault).encode()
    is_bad = _bits(np.isin(np.arange(n_rows), list(faults)))
    return Column([n_rows, n_rows - len(faults)], [is_bad, *_texts(texts)])


def _labels(labels: Sequence[Label], class_index: np.ndarray) -> Iterator[bytes]:
    """The buffers of the column of labels, less the first."""
    kind = _label_type(labels)
    if kind is bool:
        yield _bits(np.array(labels)[class_index])
    elif kind is int:
        yield np.array(labels, np.int64)[class_index].tobytes()
    else:
        texts = [label_text(label).encode() for label in labels]
        yield _offsets(np.array(list(map(len, texts)), np.int32)[class_index])
        yield b"".join(np.array(texts, object)[class_index].tolist())


def _texts(texts: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The offsets of texts, and the texts."""
    return _offsets(np.array(list(map(len, texts)), np.int32)), b"".join(texts)


def _offsets(lengths: np.ndarray) -> bytes:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets.tobytes()


def _bits(values: np.ndarray) -> bytes:
    return np.packbits(values, bitorder="little").tobytes()
