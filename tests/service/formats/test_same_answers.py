"""Whatever the format, the same answers are written."""

from __future__ import annotations

import csv
import io
import json
from itertools import combinations
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from contract.decision_rule import DecisionRule
from contract.publishing import Publisher
from contract.repository import Repository
from contract.schema import Label
from service.formats.arrow import answers as arrow_answers
from service.formats.csv_answers import write as write_csv
from service.formats.json_answers import Predictions, write_document, write_lines
from service.formats.outputs import ALL, DECISION, OUTPUTS
from service.formats.rows import read_rows
from service.formats.scored import Scored, Write
from service.predictor import Predictor
from service.scoring import score
from training.graph import add_metadata

ROWS = [
    [0.1, "Dream", None, "male"],
    ["heavy", "Dream", 2, "male"],
    [1e-30, "Atlantis", 2, "?"],
    [3, "Biscoe", 70, None],
    [1],
]
LABELS: list[tuple[Label, ...]] = [
    ("Adelie", "Gentoo"),
    ('a "quote", and 100 %b', "två\nrader"),
    (0, 10**30),
    (True, False),
]


RULE = DecisionRule(((0.0, 1.0), (4.0, 0.0)))


@pytest.fixture(params=LABELS, ids=["plain", "awkward", "integers", "booleans"])
def predictor(publisher: Publisher, foundry: Any, request: pytest.FixtureRequest) -> Predictor:
    schema = foundry.mixed()
    schema = type(schema)(target="y", features=schema.features, labels=request.param)
    model = add_metadata(foundry.model(schema), RULE.to_metadata())
    foundry.publish(publisher, "penguins", schema, model=model)
    return Predictor(Repository(publisher.root).read_current("penguins")[1])


def scored(predictor: Predictor, rows: list[Any], *, partial: bool) -> Scored:
    return score(predictor, read_rows(rows, predictor.reader, 1000, partial=partial))


def expected(answers: Scored) -> list[dict[str, Any] | None]:
    """What each row of the body has in plain Python; None for a bad one."""
    labels = answers.predictor.schema.labels
    rows: list[dict[str, Any] | None] = [None] * answers.n_rows
    for position, row in enumerate(answers.answered().tolist()):
        logits, probabilities, class_index = (array[position] for array in answers.answers)
        rows[row] = {
            "label": labels[class_index],
            "class_index": int(class_index),
            "probabilities": probabilities.tolist(),
            "logits": logits.tolist(),
            "decision": labels[int(4 * probabilities[1] > probabilities[0])],
            "unseen": list(answers.unseen.get(position, ())),
        }
    return rows


def trimmed(rows: list[dict[str, Any] | None], outputs: frozenset[str]) -> list[dict[str, Any] | None]:
    return [row and {name: value for name, value in row.items() if name in outputs or name == "unseen"} for row in rows]


def from_json(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """Numbers as float32 holds them."""
    if row is None:
        return None
    return {"unseen": []} | {
        name: np.array(value, np.float32).tolist() if name in {"probabilities", "logits"} else value
        for name, value in row.items()
    }


COMBINATIONS = [frozenset(names) for size in range(1, 6) for names in combinations(OUTPUTS, size)]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("outputs", COMBINATIONS, ids=lambda names: "+".join(sorted(names)))
def test_every_format_writes_the_same_answers(predictor: Predictor, outputs: frozenset[str], *, partial: bool) -> None:
    rows = ROWS if partial else [ROWS[number] for number in (0, 2, 3)]
    answers = scored(predictor, rows, partial=partial)
    want = trimmed(expected(answers), outputs)
    bad = [number for number, row in enumerate(want) if row is None]
    assert bad == ([1, 4] if partial else [])

    document = json.loads(write_document(answers, outputs))
    assert list(map(from_json, document["predictions"])) == want
    assert [fault["row"] for fault in document.get("errors", [])] == bad
    assert ("errors" in document) == partial

    lines = [json.loads(line) for line in write_lines(answers, outputs).splitlines()]
    assert [None if "error" in line else from_json(line) for line in lines] == want

    records = list(csv.DictReader(io.StringIO(write_csv(answers, outputs).decode(), newline="")))
    assert [row_of_csv(answers, record, outputs) for record in records] == want

    if not any(isinstance(label, int) and label >= 2**63 for label in predictor.schema.labels):
        frame = pl.read_ipc_stream(arrow_answers.write(answers, outputs))
        assert [row_of_arrow(record) for record in frame.to_dicts()] == want


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("outputs", [frozenset({"label"}), frozenset(OUTPUTS)], ids=["label", "all"])
@pytest.mark.parametrize("n_rows", [1, 8])
def test_every_format_writes_the_same_prediction_sets(
    predictor: Predictor, outputs: frozenset[str], n_rows: int, *, partial: bool
) -> None:
    rows = (ROWS if partial else [ROWS[0], *[ROWS[3]] * 7])[:n_rows]
    answers = scored(predictor, rows, partial=partial)
    sets = np.array([[True, False], [False, False], [True, True], [False, True]] * 2)[: answers.n_answers]
    answers = msgspec.structs.replace(answers, sets=sets)
    labels = predictor.schema.labels
    known = iter([[label for label, is_in in zip(labels, one, strict=True) if is_in] for one in sets.tolist()])
    want = [row and next(known) for row in expected(answers)]

    predictions = json.loads(write_document(answers, outputs))["predictions"]
    assert [row and row["prediction_set"] for row in predictions] == want
    assert [set(row) - {"prediction_set", "unseen"} for row in predictions if row] == [outputs] * answers.n_answers
    lines = list(map(json.loads, write_lines(answers, outputs).splitlines()))
    assert [line.get("prediction_set") for line in lines] == want
    records = list(csv.DictReader(io.StringIO(write_csv(answers, outputs).decode(), newline="")))
    assert [json.loads(record["prediction_set"] or "null") for record in records] == want
    if not any(isinstance(label, int) and label >= 2**63 for label in labels):
        frame = pl.read_ipc_stream(arrow_answers.write(answers, outputs))
        assert frame["prediction_set"].to_list() == want
        assert frame.schema["prediction_set"] == pl.List(pl.Series(labels).dtype)


def row_of_csv(answers: Scored, record: dict[str, str], outputs: frozenset[str]) -> dict[str, Any] | None:
    if record.get("error"):
        assert {name for name, cell in record.items() if cell} == {"error"}
        return None
    labels = answers.predictor.schema.labels
    texts = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    row: dict[str, Any] = {"unseen": record["unseen"].split()}
    for name, prefix in (("probabilities", "probability_"), ("logits", "logit_")):
        if name in outputs:
            row[name] = [float(np.float32(record[prefix + text])) for text in texts]
    if "label" in outputs:
        row["label"] = labels[texts.index(record["label"])]
    if "decision" in outputs:
        row["decision"] = labels[texts.index(record["decision"])]
    if "class_index" in outputs:
        row["class_index"] = int(record["class_index"])
    return row


def row_of_arrow(record: dict[str, Any]) -> dict[str, Any] | None:
    error = record.pop("error", None)
    if error is not None:
        assert set(record.values()) == {None}
        return None
    return record


def test_every_format_writes_bad_rows_only(predictor: Predictor) -> None:
    answers = scored(predictor, [[1], ["heavy", "Dream", 2, "male"]], partial=True)
    outputs = frozenset(OUTPUTS)
    assert json.loads(write_document(answers, outputs))["predictions"] == [None, None]
    assert [set(json.loads(line)) for line in write_lines(answers, outputs).splitlines()] == [{"error"}] * 2
    records = list(csv.DictReader(io.StringIO(write_csv(answers, outputs).decode(), newline="")))
    assert [row_of_csv(answers, record, outputs) for record in records] == [None, None]
    if not any(isinstance(label, int) and label >= 2**63 for label in predictor.schema.labels):
        frame = pl.read_ipc_stream(arrow_answers.write(answers, outputs))
        assert [row_of_arrow(record) for record in frame.to_dicts()] == [None, None]


@pytest.mark.parametrize("write", [write_document, write_lines, write_csv, arrow_answers.write])
def test_a_version_without_a_rule_writes_no_decision(publisher: Publisher, foundry: Any, write: Write) -> None:
    foundry.publish(publisher, "penguins", foundry.mixed())
    answers = scored(Predictor(Repository(publisher.root).read("penguins", 1)), ROWS, partial=True)
    assert write(answers, ALL) == write(answers, ALL - {DECISION})


@pytest.mark.parametrize("n_rows", [1, 2, 300])
def test_the_written_json_has_the_members_and_the_order_that_are_documented(predictor: Predictor, n_rows: int) -> None:
    answers = scored(predictor, [[number / 7, "Dream", None, "male"] for number in range(n_rows)], partial=False)
    document = write_document(answers, frozenset(OUTPUTS))
    assert b" " not in document.replace(b'a "quote", and 100 %b'.replace(b'"', b'\\"'), b"")
    parsed = msgspec.json.decode(document, type=Predictions)
    assert [list(prediction) for prediction in json.loads(document)["predictions"]] == [list(OUTPUTS)] * n_rows
    assert (parsed.model, parsed.version, len(parsed.predictions)) == ("penguins", 1, n_rows)
