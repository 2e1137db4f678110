"""Both clients, and what can come instead of an answer."""

import json

import httpx
import numpy as np
import polars as pl
import pytest

from litet.client import (
    InvalidData,
    InvalidName,
    InvalidRows,
    NotFound,
    Refused,
    TimedOut,
    Unavailable,
    UnreadableAnswer,
)
from tests.litet.client.in_process import IRIS, MANY, ROW, URL

AWAY = httpx.Response(503, json={"type": "urn:litet:problem:not-ready", "detail": "no model is loaded"})
LOST = httpx.ReadError("gone")


@pytest.mark.parametrize(
    ("happening", "ready"), [(None, True), (AWAY, False), (LOST, False), (httpx.ReadTimeout("slow"), False)]
)
def test_readiness_is_asked_for_once(client, service, happening, ready):
    service.happenings = [happening]
    assert client.is_ready() is ready
    assert service.lines == ["GET /health/ready"]


def test_something_else_at_the_url_is_not_just_unready(client, service):
    service.happenings = [httpx.Response(404)]
    with pytest.raises(NotFound, match=r"^404 Not Found$"):
        client.is_ready()


@pytest.mark.parametrize("rows", [[ROW], MANY])
def test_a_prediction_outlives_what_is_away_for_a_while(client, service, pauses, rows):
    expected = client.predict(rows)
    pauses.clear()
    service.asked.clear()
    service.happenings = [AWAY, LOST, httpx.ConnectError("refused"), httpx.Response(502)]
    assert client.predict(rows).logits.tolist() == expected.logits.tolist()
    assert len(set(service.lines)) == 1
    assert len(service.asked) == 5
    assert len(pauses) == 4
    assert all(0 <= pause < 2 for pause in pauses)


def test_each_attempt_has_its_timeout(client_of, service):
    client_of(service, timeout_s=3, deadline_s=2).models()
    assert service.asked[0].extensions["timeout"]["read"] == pytest.approx(2, abs=0.5)


def test_nobody_there_is_unavailable_in_the_end(client, service, pauses):
    service.happenings = [httpx.ConnectError("refused")] * 6
    with pytest.raises(Unavailable, match=rf"^no answer from {URL}: refused$"):
        client.predict([ROW])
    assert len(pauses) == 5


@pytest.mark.parametrize(
    ("happening", "kind", "said"),
    [
        (httpx.Response(400, json={"type": "x", "detail": "a body must be JSON"}), Refused, "a body must be JSON"),
        (httpx.Response(413, json={"error": "too\nlarge\x1b"}), Refused, "too large�"),
        (httpx.Response(401), Refused, "401 Unauthorized"),
        (httpx.Response(418, content=b"\xff"), Refused, "418 I'm a teapot"),
        (httpx.Response(422, content=b"[" * 100_000), Refused, "422 Unprocessable Entity"),
        (httpx.Response(404, json={"type": "x", "detail": "no such model"}), NotFound, "no such model"),
        (httpx.Response(500, json={"type": "x", "detail": "see it"}), Unavailable, "the service at {} failed: see it"),
        (httpx.Response(302), UnreadableAnswer, "{} must answer as litet does, got 302 Found"),
        (httpx.Response(204), UnreadableAnswer, "{} must answer as litet does, got 204 No Content"),
        (httpx.ReadTimeout("slow"), TimedOut, "{} must answer in time, got ReadTimeout"),
    ],
)  # fmt: skip
def test_what_comes_instead_of_an_answer_is_told_apart(client, service, happening, kind, said):
    service.happenings = [happening]
    with pytest.raises(kind) as raised:
        client.models()
    assert type(raised.value) is kind
    assert str(raised.value) == said.format(URL)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b"{}", b"[]", b"[" * 100_000, b'{"model":"iris","version":2,"predictions":[{}]}']
)
@pytest.mark.parametrize("rows", [[ROW], MANY])
def test_an_answer_of_another_shape_is_not_the_services(client, service, rows, body):
    client.predict(rows)
    service.happenings = [httpx.Response(200, content=body)]
    with pytest.raises(UnreadableAnswer, match=f"^{URL} must answer as litet does: "):
        client.predict(rows)


@pytest.mark.parametrize(
    "answer",
    [
        {"model_version": "2", "outputs": []},
        {"model_version": "x", "outputs": []},
        {"model_version": "2", "outputs": [{"name": "more", "shape": [1], "parameters": {"binary_data_size": 4}}]},
        {"model_version": "2", "outputs": [{"name": "logits", "shape": [3], "parameters": {"binary_data_size": 4}}]},
        {"model_version": "2", "outputs": [{"name": "logits", "shape": [1], "parameters": {"binary_data_size": 3}}]},
        {"model_version": "2", "outputs": [{"name": "logits", "shape": [-2], "parameters": {"binary_data_size": 4}}]},
    ],
)
def test_tensors_that_are_no_answer_are_not_the_services(client, service, answer):
    client.predict(MANY)
    document = json.dumps(answer).encode()
    headers = {"inference-header-content-length": str(len(document))}
    service.happenings = [httpx.Response(200, headers=headers, content=document + bytes(4))]
    with pytest.raises(UnreadableAnswer):
        client.predict(MANY)


def test_ragged_rows_are_not_the_services(client, service):
    rows = [{"class_index": 0, "probabilities": [0.5] * n, "logits": [1.0]} for n in (2, 3)]
    service.happenings = [httpx.Response(200, json={"model": "iris", "version": 2, "predictions": rows})]
    with pytest.raises(UnreadableAnswer):
        client.predict([ROW])


@pytest.mark.parametrize("times", [1, 20])
def test_rows_that_do_not_fit_are_named_alike_by_both_ways(client, times):
    bad = [*[ROW] * times, [1, "2", 3, 4], [1, 2, float("inf"), True]]
    with pytest.raises(InvalidRows) as invalid:
        client.predict(bad)
    faults = [(fault.row - times, fault.feature, fault.got) for fault in invalid.value.faults]
    assert faults == [(0, "sepal_width", '"2"'), (1, "petal_length", "Infinity"), (1, "petal_width", "true")]
    assert invalid.value.n_faults == 3


@pytest.mark.parametrize("times", [1, 20])
def test_rows_that_cannot_be_answered_are_named_alike_by_both_ways(client, times):
    with pytest.raises(InvalidRows, match=f"^row {times}: .* got values too large"):
        client.predict([*[ROW] * times, [3e38] * 4])


@pytest.mark.parametrize("rows", [[], (), np.empty((0, 4)), pl.DataFrame(schema=IRIS), dict.fromkeys(IRIS, ())])
def test_no_rows_are_refused_in_every_form(client, rows):
    with pytest.raises(Refused, match=r"^a body must hold at least one row, got none$"):
        client.predict(rows)


def test_a_table_that_lacks_a_feature_is_not_sent(client, service):
    with pytest.raises(InvalidData, match=r"lacks petal_width$"):
        client.predict({"sepal_length": [1], "sepal_width": [1], "petal_length": [1]})
    assert all(line.startswith("GET") for line in service.lines)


@pytest.mark.parametrize("rows", [[ROW], MANY])
@pytest.mark.parametrize("asked", [{"model": "nix"}, {"version": 9}])
def test_what_is_not_there_is_not_found(client, rows, asked):
    with pytest.raises(NotFound, match=r"nix|iris/9"):
        client.predict(rows, **asked)


@pytest.mark.parametrize("name", ["..", "iris/versions/1", "iris?", "Iris"])
def test_a_name_is_no_path(client, service, name):
    for ask in (lambda: client.predict([ROW], model=name), lambda: client.model(name)):
        with pytest.raises(InvalidName, match=r"^a model name must match"):
            ask()
    assert service.asked == []


def test_a_service_that_knows_no_tensors_answers_in_json(client, service):
    expected = client.predict(MANY)
    service.happenings = [httpx.Response(404, json={"detail": "nothing is served at this path"})]
    service.asked.clear()
    assert client.predict(MANY).logits.tolist() == expected.logits.tolist()
    assert service.lines == ["POST /v2/models/iris/infer", "POST /models/iris/predict"]


def test_tensors_that_are_refused_for_their_size_are_not_sent_again(client, service):
    with pytest.raises(Refused, match=r"^a body must hold at most 10000 rows, got 10001$"):
        client.predict(np.zeros((10_001, 4)))
    assert [line for line in service.lines if line.startswith("POST")] == ["POST /v2/models/iris/infer"]
