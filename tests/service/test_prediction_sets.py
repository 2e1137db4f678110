"""Prediction sets that a request asks for: of every version that can give them, on every route that takes a query."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.conformal import METADATA_KEY, Conformal
from contract.errors import CorruptArtifact
from contract.publishing import Publisher
from contract.repository import Repository
from service.app import create_app
from service.documents import iris
from service.predictor import Predictor
from service.settings import Settings
from tests.service.wire import JSON, Wire, post, run, run_through_the_app
from training.graph import add_metadata

ROUTES = ["/predict", "/models/iris/predict", "/models/iris/versions/1/predict", "/invocations"]
BODY = json.dumps({"instances": iris.ROWS}).encode()
NEVER_SURE = Conformal([np.full(20, 0.9, np.float32), np.full(20, 0.5, np.float32), np.full(20, 0.001, np.float32)])
"""Over all rows, a third of which have 0.001; by class, as sure as of the first two."""


@pytest.fixture
def client(start_iris: Callable[..., TestClient[Litestar]]) -> TestClient[Litestar]:
    return start_iris(NEVER_SURE.to_metadata())


def ask(client: TestClient[Litestar], path: str, query: str) -> Any:
    return client.post(f"{path}?{query}", content=BODY, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("path", ROUTES)
def test_a_set_holds_the_labels_that_are_likely_enough(client: TestClient[Litestar], path: str) -> None:
    # The rows are setosa with 0.9996, virginica with 0.997 and versicolor with 0.003.
    answer = ask(client, path, "prediction_set=0.9").json()
    assert [row["prediction_set"] for row in answer["predictions"]] == [["setosa"], ["versicolor", "virginica"]]
    answer = ask(client, path, "prediction_set=0.9&per_class=true").json()
    assert [row["prediction_set"] for row in answer["predictions"]] == [["setosa"], ["virginica"]]


def test_a_set_leaves_the_rest_of_the_answer_as_it_is(client: TestClient[Litestar]) -> None:
    plain, asked = (ask(client, "/predict", query).json() for query in ("", "prediction_set=0.9"))
    for row in asked["predictions"]:
        del row["prediction_set"]
    assert asked == plain


def test_a_version_without_calibration_rows_says_so(client: TestClient[Litestar]) -> None:
    answer = ask(client, "/models/old/predict", "prediction_set=0.9")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:litet:problem:no-prediction-sets"
    assert "trained with a conformal_fraction above 0, got old/1 without calibration rows" in problem["detail"]
    assert ask(client, "/models/old/predict", "").status_code == 200


def test_a_wrong_level_is_refused(client: TestClient[Litestar]) -> None:
    answer = ask(client, "/predict", "prediction_set=95")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:litet:problem:invalid-body")
    assert "prediction_set must be a number above 0 and below 1, got '95'" in answer.json()["detail"]


@pytest.mark.parametrize("query", ["prediction_set=0.9", "prediction_set=0.9&per_class=true&outputs=label"])
def test_sets_are_written_without_the_app_byte_for_byte_the_same(
    client: TestClient[Litestar], publisher: Publisher, query: str
) -> None:
    settings = Settings.from_env({}, models=publisher.root, default_model="iris")
    direct = Wire(create_app(settings))
    asked = post(f"/predict?{query}", JSON, body=BODY)
    assert run(direct, asked) == run_through_the_app(Wire(create_app(settings)), asked)
    assert direct.n_direct == 1


def test_requests_for_several_levels_at_once_each_get_theirs(
    client: TestClient[Litestar], publisher: Publisher
) -> None:
    settings = Settings.from_env({}, models=publisher.root, default_model="iris")
    queries = ["prediction_set=0.9", "", "prediction_set=0.3", "prediction_set=0.99"]
    asked = [post(f"/predict?{query}", JSON, body=BODY) for query in queries]
    answers = run(Wire(create_app(settings)), b"".join(asked), n_answers=len(asked))
    expected = [ask(client, "/predict", query).content for query in queries]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == expected
    assert len(set(expected)) == 4


def test_the_example_of_the_document_is_true(client: TestClient[Litestar]) -> None:
    operation = client.get("/schema/openapi.json").json()["paths"]["/predict"]["post"]
    examples = operation["responses"]["200"]["content"]["application/json"]["examples"]
    expected = examples["prediction_sets"]["value"]["predictions"]
    found = ask(client, "/predict", "prediction_set=0.9").json()["predictions"]
    assert list(map(list, found)) == list(map(list, expected))
    assert [row["prediction_set"] for row in found] == [row["prediction_set"] for row in expected]


def test_a_model_file_with_other_calibration_rows_is_not_loaded(publisher: Publisher, foundry: Any) -> None:
    model = add_metadata(foundry.model(foundry.numeric()), {METADATA_KEY: '{"p_true":[[0.5],[0.5]]}'})
    foundry.publish(publisher, model=model)
    with pytest.raises(CorruptArtifact, match="calibration rows of 3 classes, got 2 of 2"):
        Predictor(Repository(publisher.root).read("iris", 1))
