"""What a version's rule decides for, beside its answers; only where there is a rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.decision_rule import METADATA_KEY, DecisionRule
from contract.errors import CorruptArtifact
from contract.publishing import Publisher
from contract.repository import Repository
from service.app import create_app
from service.documents import iris
from service.predictor import Predictor
from service.settings import Settings
from tests.service.wire import JSON, Wire, post, run, run_through_the_app
from training.graph import add_metadata

BODY = json.dumps({"instances": iris.ROWS}).encode()
VERSION = "/models/iris/versions/1/predict"
ROUTES = ["/predict", "/models/iris/predict", VERSION, "/invocations", "/v1/models/iris:predict"]
CAREFUL = DecisionRule(((0.0, 1.0, 1.0), (900.0, 0.0, 900.0), (1.0, 1.0, 0.0)))
"""To miss a versicolor is dear."""


@pytest.fixture
def client(start_iris: Callable[..., TestClient[Litestar]]) -> TestClient[Litestar]:
    return start_iris(CAREFUL.to_metadata())


def ask(client: TestClient[Litestar], path: str, body: bytes = BODY) -> Any:
    return client.post(path, content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("path", ROUTES)
def test_a_decision_stands_beside_the_likeliest_label(client: TestClient[Litestar], path: str) -> None:
    # The rows are setosa with 0.9996 and virginica with 0.997: versicolor has 0.0004 and 0.003 of the rest.
    rows = ask(client, path).json()["predictions"]
    assert [(row["label"], row["decision"]) for row in rows] == [("setosa", "setosa"), ("virginica", "versicolor")]
    assert [list(row) for row in rows] == [["label", "class_index", "probabilities", "logits", "decision"]] * 2


def test_a_decision_can_be_all_that_is_asked_for(client: TestClient[Litestar]) -> None:
    answer = ask(client, "/predict?outputs=decision").json()
    assert answer["predictions"] == [{"decision": "setosa"}, {"decision": "versicolor"}]


def test_without_a_rule_there_is_no_decision(client: TestClient[Litestar]) -> None:
    assert all("decision" not in row for row in ask(client, "/models/old/predict").json()["predictions"])
    assert all("decision" not in row for row in ask(client, "/predict?outputs=label").json()["predictions"])


@pytest.mark.parametrize("outputs", ["decision", "label,decision", "label,class_index,probabilities,logits,decision"])
def test_a_decision_that_there_is_not_is_refused_where_it_is_asked_for(
    client: TestClient[Litestar], outputs: str
) -> None:
    answer = ask(client, f"/models/old/predict?outputs={outputs}")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:litet:problem:no-decision")
    assert "a decision needs a version with a rule, got old/1" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["", "?outputs=label,decision", "?prediction_set=0.9"])
def test_a_decision_is_written_without_the_app_byte_for_byte_the_same(
    client: TestClient[Litestar], publisher: Publisher, query: str
) -> None:
    settings = Settings.from_env({}, models=publisher.root, default_model="iris")
    for rows in (iris.ROWS, iris.ROWS[:1]):
        asked = post(f"/predict{query}", JSON, body=json.dumps({"instances": rows}).encode())
        assert run(Wire(create_app(settings)), asked) == run_through_the_app(Wire(create_app(settings)), asked)


def test_one_row_is_decided_as_among_others(client: TestClient[Litestar]) -> None:
    together = ask(client, "/predict").json()["predictions"]
    alone = [ask(client, "/predict", json.dumps({"instances": [row]}).encode()).json() for row in iris.ROWS]
    assert [one["predictions"][0] for one in alone] == together


def test_a_model_file_with_a_rule_for_other_classes_is_not_loaded(publisher: Publisher, foundry: Any) -> None:
    model = add_metadata(foundry.model(foundry.numeric()), {METADATA_KEY: '{"costs":[[0,1],[1,0]]}'})
    foundry.publish(publisher, model=model)
    with pytest.raises(CorruptArtifact, match="must be for 3 classes, got 2"):
        Predictor(Repository(publisher.root).read("iris", 1))
