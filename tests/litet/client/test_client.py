"""Both clients over the real app: what goes out, and what comes back."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import polars as pl
import pytest

from litet.client import AsyncClient, Client, InvalidSettings, NotFound
from tests.litet.client.in_process import MANY, PENGUIN, ROW, URL, answer_in_json, check, connect


def test_few_rows_take_one_request_once_the_version_is_known(client, service):
    check(client.predict([ROW]), answer_in_json(service, "/predict", [ROW]))
    service.asked.clear()
    client.predict([ROW, ROW])
    assert service.lines == ["POST /models/iris/predict"]


def test_many_rows_go_as_tensors_in_one_request_once_the_version_is_known(client, service):
    check(client.predict(MANY), answer_in_json(service, "/predict", MANY))
    service.asked.clear()
    client.predict(np.array(MANY))
    assert service.lines == ["POST /v2/models/iris/infer"]
    assert service.asked[0].headers["accept-encoding"] == "identity"


def test_columns_are_answered_with_what_was_unseen(client, service):
    rows = [list(row) for row in zip(*PENGUIN.values(), strict=True)]
    expected = answer_in_json(service, "/models/penguins/predict", rows)
    assert expected["predictions"][1]["unseen"] == ["island"]
    for form in (PENGUIN, pl.DataFrame(PENGUIN).with_row_index("id"), rows, rows * 1):
        check(client.predict(form, model="penguins"), expected)


@pytest.mark.parametrize(("model", "labels"), [("digits", (0, 1, 2)), ("flags", (False, True))])
@pytest.mark.parametrize("rows", [[ROW], MANY])
def test_labels_keep_their_type(client, model, labels, rows):
    predictions = client.predict(rows, model=model)
    assert [type(label) for label in predictions.classes] == [type(label) for label in labels]
    assert predictions.classes == labels
    assert type(predictions.labels[0]) is type(labels[0])


@pytest.mark.parametrize("rows", [[ROW], MANY, np.array([ROW])])
def test_a_version_is_asked_by_its_number_and_has_its_own_classes(client, service, rows):
    assert {"rose", "tulip", "aster"} >= set(client.predict(rows).labels)
    old = client.predict(rows, version=1)
    assert (old.version, old.classes) == (1, ("setosa", "versicolor", "virginica"))
    check(old, answer_in_json(service, "/models/iris/versions/1/predict", [ROW] * len(rows)))


def test_numbers_of_an_answer_may_be_changed(client):
    for rows in ([ROW], MANY):
        client.predict(rows).probabilities[0] = 0


def test_without_a_name_the_default_model_answers(client_of, service):
    client = client_of(service)
    assert client.predict([ROW]).model == "iris"
    models = {"models": [], "default": "iris"}
    service.happenings = [httpx.Response(200, json=models)]
    assert client.predict(MANY).model == "iris"


def test_without_a_name_the_only_model_answers(client_of, changing):
    client = client_of(changing)
    assert client.predict([ROW], version=1).model == client.predict(MANY).model == client.model().name == "iris"


def test_without_a_name_or_a_default_one_must_be_given(client_of, service):
    several = {"models": [{"name": name, "version": 1, "n_features": 1, "classes": ["a", "b"]} for name in "xy"]}
    service.happenings = [httpx.Response(200, json=several)]
    with pytest.raises(NotFound, match=r"^a model must be named where none is the default, got none of x, y$"):
        client_of(service).predict(MANY)


def test_models_are_described(client):
    models = client.models()
    assert [(model.name, model.version) for model in models] == [
        ("digits", 1), ("flags", 1), ("iris", 2), ("penguins", 1),
    ]  # fmt: skip
    details = client.model()
    assert (details.name, details.version, details.versions, details.classes[0]) == ("iris", 2, (1, 2), "rose")
    assert details.metrics.accuracy == 0.9
    assert client.model("penguins").features[1].categories == ("Biscoe", "Dream", "Torgersen")


def test_a_later_service_may_say_more(client, service):
    known = service.answer(httpx.Request("GET", f"{URL}/models/iris")).json()
    features = [feature | {"unit": "cm"} for feature in known["features"]]
    service.happenings = [httpx.Response(200, json=known | {"features": features, "more": 1})]
    assert client.model().features[0].name == "sepal_length"


def test_a_service_may_stand_below_a_path():
    asked = []
    transport = httpx.MockTransport(lambda request: asked.append(request.url.path) or httpx.Response(200))
    with Client(f"{URL}/litet/", transport=transport) as client:
        assert client.is_ready()
    assert asked == ["/litet/health/ready"]


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "", "http://x:y", None])
def test_a_url_must_be_one(make, url):
    with pytest.raises(InvalidSettings, match=r"^url must be one such as http://127.0.0.1:8000, got "):
        make(url)


def test_threads_may_share_a_client(service):
    rows = np.random.default_rng(0).uniform(0, 8, (40, 4))
    client = connect("sync", service, model="iris")
    alone = client.predict(rows)
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda j: client.predict(rows[j : j + 1]).logits[0].tolist(), range(40)))
    client.close()
    assert together == alone.logits.tolist()
