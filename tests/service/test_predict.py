"""The prediction routes answer rows, row by row, in the types of the labels."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.answers import Answers
from service.formats.json_answers import Predictions
from service.formats.json_document import BULKY_BYTES
from service.formats.json_template import JsonTemplate
from service.formats.outputs import ALL, DECISION
from service.formats.scored import Scored
from service.predict import INLINE_BYTES
from service.predictor import Predictor

ROW = [5.1, 3.5, 1.4, 0.2]

Service = TestClient[Litestar]


def test_predict_answers_with_the_default_model(service: Service, foundry: Any) -> None:
    answer = service.post("/predict", json={"instances": [ROW]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["model"], body["version"]) == ("iris", 1)
    (prediction,) = body["predictions"]
    assert list(prediction) == ["label", "class_index", "probabilities", "logits"]
    expected = foundry.probe(foundry.numeric()).logits[0]
    np.testing.assert_allclose(prediction["logits"], expected, rtol=1e-5)
    assert prediction["label"] == ["setosa", "versicolor", "virginica"][int(np.argmax(expected))]
    assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-6)


def test_predict_writes_float32_with_few_digits(service: Service) -> None:
    text = service.post("/predict", json={"instances": [ROW]}).text
    numbers = text.split('"probabilities":[')[1].split("]")[0].split(",")
    assert all(np.float32(number) == np.float64(number).astype(np.float32) for number in numbers)
    assert all(len(number.lstrip("-0.").replace(".", "").split("e")[0]) <= 9 for number in numbers)


@pytest.mark.parametrize("name", ["iris", "penguins", "digits", "flags"])
def test_predict_answers_as_it_is_documented(service: Service, name: str) -> None:
    row = [5.1, "Dream", 1.4, "martian"] if name == "penguins" else ROW
    content = service.post(f"/models/{name}/predict", json={"instances": [row, row]}).content
    answer = msgspec.json.decode(content, type=Predictions)
    assert len(answer.predictions) == 2


@pytest.mark.parametrize(("name", "kind"), [("iris", str), ("digits", int), ("flags", bool)])
def test_labels_keep_their_type(service: Service, name: str, kind: type) -> None:
    (prediction,) = service.post(f"/models/{name}/predict", json={"instances": [ROW]}).json()["predictions"]
    assert type(prediction["label"]) is kind


def test_a_version_can_be_asked_for_that_does_not_serve(service: Service) -> None:
    answers = [
        service.post(f"/models/iris/versions/{version}/predict", json={"instances": [ROW]}).json() for version in (1, 2)
    ]
    assert [answer["version"] for answer in answers] == [1, 2]
    assert answers[0]["predictions"] != answers[1]["predictions"]


def test_null_means_missing(service: Service) -> None:
    rows = [[1.0, None, 2.0, None], [1.0, "", 2.0, ""], {"bill_mm": None, "island": None, "mass_g": None, "sex": None}]
    answer = service.post("/models/penguins/predict", json={"instances": rows[:1]}).json()
    assert "unseen" not in answer["predictions"][0]
    assert (
        answer["predictions"]
        == service.post("/models/penguins/predict", json={"instances": rows[1:2]}).json()["predictions"]
    )
    assert service.post("/models/penguins/predict", json={"instances": rows[2:]}).status_code == 200


def test_unseen_categories_are_answered_and_flagged(service: Service) -> None:
    rows = [[1.0, "Dream", 2.0, "male"], [1.0, "Atlantis", 2.0, "male"], [1.0, "Atlantis", 2.0, "?"]]
    answer = service.post("/models/penguins/predict", json={"instances": rows}).json()
    assert [prediction.get("unseen") for prediction in answer["predictions"]] == [None, ["island"], ["island", "sex"]]


def test_rows_of_a_batch_are_answered_as_alone_to_the_last_bit(service: Service) -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 8, size=(5000, 4)).round(2).tolist()
    together = service.post("/predict", json={"instances": rows}).json()["predictions"]
    for row, prediction in list(zip(rows, together, strict=True))[::100]:
        assert service.post("/predict", json={"instances": [row]}).json()["predictions"] == [prediction]


@pytest.mark.parametrize("size", [INLINE_BYTES, BULKY_BYTES])
def test_a_large_body_is_answered_in_the_order_of_its_rows(service: Service, size: int) -> None:
    rows = np.random.default_rng(0).uniform(0, 8, size=(3000, 4)).tolist()
    body = msgspec.json.encode({"instances": rows}) + b" " * size
    assert len(body) > size
    answer = service.post("/predict", content=body, headers={"content-type": "application/json"})
    predictions = answer.json()["predictions"]
    assert len(predictions) == 3000
    small = service.post("/predict", json={"instances": rows[2990:]}).json()["predictions"]
    np.testing.assert_allclose(
        [p["logits"] for p in predictions[2990:]], [p["logits"] for p in small], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("size", [INLINE_BYTES, BULKY_BYTES])
def test_a_large_body_that_is_wrong_is_refused_as_a_small_one(service: Service, size: int) -> None:
    body = msgspec.json.encode({"instances": [*([ROW] * 4000), [1, 2, 3, "x"]]}) + b" " * size
    answer = service.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["row"] == 4000


def test_answers_are_written_with_the_shortest_digits() -> None:
    predictor = cast("Predictor", None)  # which a template was made for
    answers = Answers(np.array([[0.1, -2.5]], np.float32), np.array([[0.7, 0.3]], np.float32), np.array([1], np.int64))
    scored = Scored.alone(predictor, answers, {0: ["f"]}, None)
    assert JsonTemplate("m", 1, ("a", True), ALL - {DECISION}, b",").write(scored, {}) == (
        b',{"label":true,"class_index":1,"probabilities":[0.7,0.3],"logits":[0.1,-2.5],"unseen":["f"]}'
    )


@pytest.mark.parametrize("version", ["01", "+1", "%201", "1.0", "x", "0", "-1", "9" * 30])
def test_a_version_has_one_spelling(service: Service, version: str) -> None:
    answer = service.post(f"/models/iris/versions/{version}/predict", json={"instances": [ROW]})
    assert answer.status_code == 404
