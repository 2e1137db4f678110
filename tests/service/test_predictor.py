"""A predictor answers as its card says, or does not come to be."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
import pytest

from contract.card import Card, ModelFile
from contract.errors import ArtifactError, CorruptArtifact, InvalidRows, ParityError
from contract.repository import Artifact
from contract.tensors import Row
from service.predictor import Predictor


def make_artifact(foundry: Any, schema: Any, model: bytes | None = None, **probe: Any) -> Artifact:
    content = foundry.model(schema) if model is None else model
    report = foundry.report(schema, msgspec.structs.replace(foundry.probe(schema), **probe))
    card = Card(
        name="made",
        version=1,
        parent_version=None,
        created_at="2026-01-01T00:00:00+00:00",
        model_file=ModelFile(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()),
        report=report,
    )
    return Artifact(card=card, model=content)


def test_predictor_answers_what_its_weights_say(foundry: Any) -> None:
    for schema in (foundry.numeric(), foundry.mixed()):
        predictor = Predictor(make_artifact(foundry, schema))
        probe = foundry.probe(schema)
        rows = [
            {
                **dict(zip([f.name for f in schema.numeric], numbers, strict=True)),
                **dict(zip([f.name for f in schema.categorical], texts, strict=True)),
            }
            for numbers, texts in zip(probe.x_num, probe.x_cat, strict=True)
        ]
        answers = predictor.predict(predictor.reader.read(rows))
        np.testing.assert_allclose(answers.logits, np.array(probe.logits), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(answers.class_index, answers.logits.argmax(axis=1))
        np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-6)


def test_predictor_takes_a_probe_without_columns_of_a_kind(foundry: Any) -> None:
    Predictor(make_artifact(foundry, foundry.numeric(), x_cat=()))


def test_predictor_refuses_other_weights_than_its_cards_probe_tells_of(foundry: Any) -> None:
    schema = foundry.numeric()
    with pytest.raises(ParityError, match="off"):
        Predictor(make_artifact(foundry, schema, model=foundry.model(schema, seed=1)))


@pytest.mark.parametrize(("shift", "refused"), [(5e-5, False), (2e-4, True)])
def test_predictor_grants_another_machine_ten_times_the_published_tolerance(
    foundry: Any, shift: float, *, refused: bool
) -> None:
    schema = foundry.numeric()
    probe = foundry.probe(schema)
    scale = [max(1, *map(abs, row)) for row in probe.logits]
    logits = tuple(tuple(x + shift * s for x in row) for row, s in zip(probe.logits, scale, strict=True))
    artifact = make_artifact(foundry, schema, logits=logits)
    if refused:
        with pytest.raises(ParityError):
            Predictor(artifact)
    else:
        Predictor(artifact)


@pytest.mark.parametrize(
    "probe",
    [
        {"x_num": (), "x_cat": (), "logits": ()},
        {"x_num": ((1.0,), (2.0,))},
        {"x_num": ((1.0, 2.0, 3.0, 4.0),)},
        {"logits": ((1.0, 2.0), (1.0, 2.0))},
        {"logits": ((1.0, 2.0, 3.0), (1.0,))},
    ],
    ids=["no rows", "too narrow", "too few rows", "too few classes", "ragged"],
)
def test_predictor_refuses_a_probe_of_another_shape(foundry: Any, probe: dict[str, Any]) -> None:
    with pytest.raises(CorruptArtifact, match="probe"):
        Predictor(make_artifact(foundry, foundry.numeric(), **probe))


def test_predictor_refuses_probabilities_that_are_no_softmax(foundry: Any) -> None:
    graph = foundry.graph(foundry.numeric())
    next(node for node in graph.graph.node if node.op_type == "Softmax").op_type = "LogSoftmax"
    with pytest.raises(CorruptArtifact, match="softmax"):
        Predictor(make_artifact(foundry, foundry.numeric(), model=graph.SerializeToString()))


def test_predictor_refuses_a_class_that_is_no_argmax(foundry: Any) -> None:
    graph = foundry.graph(foundry.numeric())
    next(node for node in graph.graph.node if node.op_type == "ArgMax").op_type = "ArgMin"
    with pytest.raises(CorruptArtifact, match="argmax"):
        Predictor(make_artifact(foundry, foundry.numeric(), model=graph.SerializeToString()))


def test_predictor_refuses_a_graph_that_fails_when_run(foundry: Any) -> None:
    graph = foundry.graph(foundry.mixed())
    for node in graph.graph.node:  # codes beyond the table: loads, then fails
        for attribute in node.attribute:
            if attribute.name == "default_int64":
                attribute.i = 99
            if attribute.name == "values_int64s":
                attribute.ints[:] = [77 for _ in attribute.ints]
    with pytest.raises(ArtifactError):
        Predictor(make_artifact(foundry, foundry.mixed(), model=graph.SerializeToString()))


def test_predictor_names_the_rows_whose_values_are_too_large_for_float32(foundry: Any) -> None:
    predictor = Predictor(make_artifact(foundry, foundry.numeric()))
    rows: list[Row] = [[1.0, 2.0, 3.0, 4.0], [3e38, 3e38, 3e38, -3e38], [1.0, 1.0, 1.0, 1.0], [3e38] * 4]
    with pytest.raises(InvalidRows) as caught:
        predictor.predict(predictor.reader.read(rows))
    assert caught.value.faults
    assert {fault.row for fault in caught.value.faults} <= {1, 3}
    assert caught.value.n_faults == len(caught.value.faults)
