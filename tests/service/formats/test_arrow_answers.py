"""Answers become Arrow streams that others read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from contract.errors import Fault
from service.formats.arrow.answers import write
from service.formats.arrow.flatbuffer import Table
from service.formats.outputs import OUTPUTS
from service.formats.scored import Scored
from tests.service.formats.streams import (
    messages,
)

LABELS: list[tuple[Any, pl.DataType]] = [
    (("a", "Ä" * 20, ""), pl.String()),
    ((0, -5, 2**40), pl.Int64()),
    ((0, 2**63), pl.String()),
    ((False, True), pl.Boolean()),
]


@pytest.mark.parametrize(("labels", "dtype"), LABELS)
def test_polars_reads_the_answers(
    foundry: Any, score: Callable[..., Scored], labels: tuple[Any, ...], dtype: Any
) -> None:
    scored = score(foundry.numeric(labels=labels), [[x, -x, x % 7, 1 - x] for x in range(-20, 20)])
    frame = pl.read_ipc_stream(write(scored, set(OUTPUTS)))
    want = [labels[index] for index in scored.answers.class_index]
    assert len(set(want)) > 1
    n_classes = len(labels)
    assert frame.schema == {
        "label": dtype,
        "class_index": pl.Int64,
        "probabilities": pl.Array(pl.Float32, n_classes),
        "logits": pl.Array(pl.Float32, n_classes),
    }
    assert frame["label"].to_list() == (list(map(str, want)) if dtype == pl.String else want)
    np.testing.assert_array_equal(frame["class_index"].to_numpy(), scored.answers.class_index)
    np.testing.assert_array_equal(frame["probabilities"].to_numpy(), scored.answers.probabilities)
    np.testing.assert_array_equal(frame["logits"].to_numpy(), scored.answers.logits)


def test_only_what_is_asked_for_is_written(foundry: Any, score: Callable[..., Scored]) -> None:
    scored = score(foundry.numeric(), [[1, 2, 3, 4]])
    assert pl.read_ipc_stream(write(scored, {"logits", "label"})).columns == ["label", "logits"]
    assert pl.read_ipc_stream(write(scored, {"class_index"})).columns == ["class_index"]


def test_unseen_features_are_listed_by_row(foundry: Any, score: Callable[..., Scored]) -> None:
    rows = [[1, "Dream", 2, "male"], [1, "Mars", 2, "x"], [1, "Dream", 2, "y"]]
    frame = pl.read_ipc_stream(write(score(foundry.mixed(), rows), {"label"}))
    assert frame["unseen"].to_list() == [[], ["island", "sex"], ["sex"]]


def test_a_bad_row_has_nothing_but_its_error(foundry: Any, score: Callable[..., Scored]) -> None:
    rows = [[1, "Dream", 2, "male"], [1, "Mars", 2, "male"]]
    fault = Fault(row=1, feature="mass_g", expected="a number", got='"Ä"')
    whole = pl.read_ipc_stream(write(score(foundry.mixed(), rows), set(OUTPUTS)))
    frame = pl.read_ipc_stream(write(score(foundry.mixed(), rows, {1: fault}), set(OUTPUTS)))
    assert frame["error"].to_list() == [None, "feature 'mass_g': expected a number, got \"Ä\"", None]
    assert frame.drop("error")[[0, 2]].equals(whole)
    assert frame.drop("error").row(1) == (None,) * 5


def test_no_bad_row_leaves_its_column_empty(foundry: Any, score: Callable[..., Scored]) -> None:
    frame = pl.read_ipc_stream(write(score(foundry.numeric(), [[1, 2, 3, 4]], {}), {"label"}))
    assert frame["error"].to_list() == [None]


def test_answers_to_none_are_a_table_of_errors(foundry: Any, score: Callable[..., Scored]) -> None:
    scored = score(foundry.mixed(), [[1, "Dream", 2, "male"]], {0: Fault(row=0, expected="a", got="b")})
    none = Scored.alone(scored.predictor, scored.answers.between(0, 0), scored.unseen, scored.faults)
    frame = pl.read_ipc_stream(write(none, set(OUTPUTS)))
    assert frame.row(0) == (None,) * 5 + ("expected a, got b",)


def test_the_stream_names_the_model_and_its_version(foundry: Any, score: Callable[..., Scored]) -> None:
    content = write(score(foundry.numeric(), [[1, 2, 3, 4]]), {"label"})
    schema = Table.root(messages(content)[0][8:]).table(2)
    assert schema is not None
    assert {pair.text(0): pair.text(1) for pair in schema.tables(2)} == {"litet.model": "made", "litet.version": "1"}
