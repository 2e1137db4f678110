"""What the server and its models say of themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher
from service.admin.keys import make_key
from service.openapi import openapi_config

Start = Callable[..., TestClient[Litestar]]


def outputs(n_classes: int) -> list[dict[str, Any]]:
    return [
        {"name": "logits", "datatype": "FP32", "shape": [-1, n_classes]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, n_classes]},
        {"name": "class_index", "datatype": "INT64", "shape": [-1]},
    ]


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_what_it_is(service: TestClient[Litestar], path: str) -> None:
    answer = service.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "name": "litet",
        "version": openapi_config().version,
        "extensions": ["classification", "model_configuration", "statistics", "binary_tensor_data"],
    }


def test_a_server_with_an_admin_key_has_the_repository_extension(start: Start) -> None:
    extensions = start(admin_keys=make_key("ops")[1]).get("/v2").json()["extensions"]
    assert {"model_repository", "model_repository(unload_dependents)"} <= set(extensions)


def test_models_are_listed_by_name(service: TestClient[Litestar]) -> None:
    assert service.get("/v2/models").json() == {"models": ["digits", "flags", "iris", "penguins"]}


def test_a_model_of_numbers_takes_one_tensor(service: TestClient[Litestar]) -> None:
    expected = {
        "name": "iris",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x_num", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": outputs(3),
    }
    for path in ("/v2/models/iris", "/v2/models/iris/versions/1", "/v2/models/iris/versions/2"):
        assert service.get(path).json() == expected


def test_a_model_of_numbers_and_texts_takes_two(service: TestClient[Litestar]) -> None:
    assert service.get("/v2/models/penguins").json()["inputs"] == [
        {"name": "x_num", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "x_cat", "datatype": "BYTES", "shape": [-1, 2]},
    ]


@pytest.mark.parametrize("what", ["", "/config", "/stats"])
@pytest.mark.parametrize("path", ["none", "none/versions/1", "iris/versions/3", "iris/versions/x", "iris/versions/01"])
def test_what_there_is_not_is_not_found(service: TestClient[Litestar], path: str, what: str) -> None:
    answer = service.get(f"/v2/models/{path}{what}")
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_a_loaded_model_is_described_without_its_folder(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    client = start()
    shutil.rmtree(publisher.root)
    assert client.get("/v2/models/iris").json()["versions"] == ["1"]


def test_the_configuration_is_tritons(service: TestClient[Litestar]) -> None:
    config = service.get("/v2/models/penguins/config").json()
    parameters = {name: msgspec.json.decode(value["string_value"]) for name, value in config.pop("parameters").items()}
    assert config == {
        "name": "penguins",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"all": {}},
        "max_batch_size": 5000,
        "input": [
            {"name": "x_num", "data_type": "TYPE_FP32", "dims": [2]},
            {"name": "x_cat", "data_type": "TYPE_STRING", "dims": [2]},
        ],
        "output": [
            {"name": "logits", "data_type": "TYPE_FP32", "dims": [2]},
            {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [2]},
            {"name": "class_index", "data_type": "TYPE_INT64", "dims": [1], "reshape": {"shape": []}},
        ],
    }
    assert parameters["labels"] == ["Adelie", "Gentoo"]
    assert [(feature["kind"], feature["name"]) for feature in parameters["features"]] == [
        ("numeric", "bill_mm"),
        ("categorical", "island"),
        ("numeric", "mass_g"),
        ("categorical", "sex"),
    ]


def test_a_version_has_its_own_configuration(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, schema=foundry.numeric(labels=(0, 1)), promote=False)
    client = start(max_rows=2**40)
    config = client.get("/v2/models/iris/versions/2/config").json()
    assert config["parameters"]["labels"] == {"string_value": "[0,1]"}
    assert config["output"][0]["dims"] == [2]
    assert config["max_batch_size"] == 2**31 - 1
    assert client.get("/v2/models/iris/config").json()["output"][0]["dims"] == [3]


def test_a_refused_version_is_a_problem_of_ours(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, model=b"no model", promote=False)
    client = start()
    for path in ("", "/config"):
        answer = client.get(f"/v2/models/iris/versions/2{path}")
        assert answer.status_code == 503
        assert "onnxruntime" not in answer.text


def test_a_model_may_be_called_as_the_route_of_statistics_is(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher, "stats")
    foundry.publish(publisher, "iris")
    client = start()
    assert len(client.get("/v2/models/stats").json()["model_stats"]) == 2
    assert client.get("/v2/models/stats/versions/1").json()["name"] == "stats"
    assert client.get("/v2/models/stats/ready").json() == {"name": "stats", "ready": True}
    assert client.get("/v2/models/stats/config").json()["name"] == "stats"
    (statistics,) = client.get("/v2/models/stats/stats").json()["model_stats"]
    assert statistics["name"] == "stats"
