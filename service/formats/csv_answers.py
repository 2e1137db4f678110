"""Answers → CSV (RFC 4180)."""

from __future__ import annotations

from collections.abc import Iterator, Set

import numpy as np

from contract.schema import label_text
from service.formats.fault_text import fault_text
from service.formats.label_sets import json_text, set_texts
from service.formats.number_text import number_rows
from service.formats.outputs import DECISION
from service.formats.scored import Scored

END = b"\r\n"


def write(scored: Scored, outputs: Set[str]) -> bytes:
    """The answers as CSV (`service.formats.scored.Write`), a line for each row of the body.

    Columns: `label`, `class_index`, `probability_<label>` …, `logit_<label>` …; `decision`, where the version has one;
    `prediction_set` (its labels as an array in JSON) where it was asked for; `unseen` (feature names with a space
    between them) where the model has categorical features; and, where bad rows are listed, `error`, which is all that a
    bad row has. Numbers have the fewest digits that tell a float32 apart.
    """
    schema = scored.predictor.schema
    texts = [label_text(label) for label in schema.labels]
    header: list[str] = []
    known: list[list[bytes]] = []  # by class, the cells that it decides
    if "label" in outputs:
        header.append("label")
        known.append([_quote(text) for text in texts])
    if "class_index" in outputs:
        header.append("class_index")
        known.append([b"%d" % index for index in range(len(texts))])
    starts = np.array([b",".join(cells) for cells in zip(*known, strict=True)] or [b""] * len(texts), object)
    columns = [starts[scored.answers.class_index].tolist()] if known else []
    matrices = []
    for name, prefix in (("probabilities", "probability_"), ("logits", "logit_")):
        if name in outputs:
            header += [prefix + text for text in texts]
            matrices.append(getattr(scored.answers, name))
    if matrices:
        columns.append(number_rows(np.hstack(matrices)))
    for name, cells in _additions(scored, outputs):
        header.append(name)
        columns.append(cells)
    lines = list(map(b",".join, zip(*columns, strict=True)))
    if scored.faults:
        bad = {row: b"," * (len(header) - 1) + _quote(fault_text(fault)) for row, fault in scored.faults.items()}
        good = iter(lines)
        lines = [bad[row] if row in bad else next(good) for row in range(scored.n_rows)]
    return END.join([b",".join(map(_quote, header)), *lines, b""])


def _additions(scored: Scored, outputs: Set[str]) -> Iterator[tuple[str, list[bytes]]]:
    """The columns that not every answer has: their names, and a cell for each answer."""
    schema = scored.predictor.schema
    decided = scored.decided(outputs)
    if decided is not None:
        cells = [_quote(label_text(label)) for label in schema.labels]
        yield DECISION, [cells[index] for index in decided.tolist()]
    if scored.sets is not None:
        labels = list(map(json_text, schema.labels))
        yield "prediction_set", set_texts(scored.sets, labels, lambda joined: _quote(f"[{joined.decode()}]"))
    if schema.categorical:
        yield "unseen", [_quote(" ".join(scored.unseen.get(row, ()))) for row in range(scored.n_answers)]
    if scored.faults is not None:
        yield "error", [b""] * scored.n_answers


def _quote(text: str) -> bytes:
    """A cell, in quotes where it needs them."""
    if any(character in text for character in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()
