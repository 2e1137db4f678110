"""tritonclient.http, its synchronous client: health, metadata, configuration, statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from tests.conformance.live import Live, wait_until
from tests.conformance.native import BIRD_FEATURES
from tests.conformance.tensors import flowers, given

N_CONNECTIONS = 16
"""Enough that each of two workers is met."""
EXTENSIONS = {
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "model_configuration",
    "statistics",
    "binary_tensor_data",
}


@pytest.fixture
def client(live: Live) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(live.address) as client:
        yield client


def test_the_server_lives_and_is_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()


def test_a_model_is_ready_by_name_and_by_version(client):
    assert client.is_model_ready("birds")
    assert client.is_model_ready("birds", "1")
    assert client.is_model_ready("birds", "2")


def test_what_does_not_exist_is_not_ready(client):
    assert not client.is_model_ready("no-such-model")
    assert not client.is_model_ready("birds", "3")
    assert not client.is_model_ready("birds", "first")


def test_the_server_says_who_it_is_and_what_it_can(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] == "litet"
    assert metadata["version"]
    assert set(metadata["extensions"]) == EXTENSIONS


@pytest.mark.parametrize("version", ["", "1", "2"])
def test_metadata_names_the_tensors_of_a_model(client, version):
    assert client.get_model_metadata("birds", version) == {
        "name": "birds",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "x_num", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "x_cat", "datatype": "BYTES", "shape": [-1, 3]},
        ],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "class_index", "datatype": "INT64", "shape": [-1]},
        ],
    }


@pytest.mark.parametrize("model", ["iris", "birds"])
def test_who_knows_nothing_but_the_metadata_can_ask(client, model):
    metadata = client.get_model_metadata(model)
    inputs = []
    for one in metadata["inputs"]:
        shape = [7 if size == -1 else size for size in one["shape"]]
        array = np.zeros(shape, triton_to_np_dtype(one["datatype"]))
        array = array.astype(str).astype(object) if one["datatype"] == "BYTES" else array
        inputs.append(given(one["name"], array))
    result = client.infer(model, inputs)
    for one in metadata["outputs"]:
        array = result.as_numpy(one["name"])
        assert array.dtype == triton_to_np_dtype(one["datatype"])
        assert array.shape == tuple(7 if size == -1 else size for size in one["shape"])


@pytest.mark.parametrize("version", ["", "1", "2"])
def test_the_configuration_is_that_of_triton(client, version):
    config = client.get_model_config("birds", version)
    parameters = {name: json.loads(value["string_value"]) for name, value in config.pop("parameters").items()}
    assert parameters["labels"] == ["kråka", "skata: röd", "uggla"]
    assert [feature["name"] for feature in parameters["features"]] == list(BIRD_FEATURES)
    assert config.pop("version_policy") == {"all": {}}
    assert config == {
        "name": "birds",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": 10_000,
        "input": [
            {"name": "x_num", "data_type": "TYPE_FP32", "dims": [2]},
            {"name": "x_cat", "data_type": "TYPE_STRING", "dims": [3]},
        ],
        "output": [
            {"name": "logits", "data_type": "TYPE_FP32", "dims": [3]},
            {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [3]},
            {"name": "class_index", "data_type": "TYPE_INT64", "dims": [1], "reshape": {"shape": []}},
        ],
    }


def test_statistics_count_the_requests_of_all_workers(client, live):
    before = statistics(client, "counted")
    for _connection in range(N_CONNECTIONS):
        with InferenceServerClient(live.address) as another:
            another.infer("counted", flowers())
    wait_until(
        lambda: statistics(client, "counted")["inference_count"] == before["inference_count"] + 3 * N_CONNECTIONS
    )
    after = statistics(client, "counted")
    assert 0 < after["execution_count"] - before["execution_count"] <= N_CONNECTIONS
    success, earlier = after["inference_stats"]["success"], before["inference_stats"]["success"]
    assert success["count"] == earlier["count"] + N_CONNECTIONS
    assert success["ns"] > earlier["ns"]
    assert after["last_inference"] > before["last_inference"]


def test_statistics_count_what_was_refused(client):
    before = statistics(client, "counted")["inference_stats"]["fail"]["count"]
    with pytest.raises(InferenceServerException):
        client.infer("counted", flowers([[0.0]]))
    wait_until(lambda: statistics(client, "counted")["inference_stats"]["fail"]["count"] == before + 1)


def test_statistics_of_all_models_are_those_of_each(client):
    client.infer("iris", flowers())
    client.infer("spare", flowers())

    def agree() -> bool:
        every = client.get_inference_statistics()["model_stats"]
        named = {(one["name"], one["version"]): one for one in every}
        return all(
            named.get((name, "1")) == client.get_inference_statistics(name, "1")["model_stats"][0]
            for name in ("iris", "spare")
        )

    wait_until(agree)


def statistics(client: InferenceServerClient, name: str) -> dict[str, Any]:
    (one,) = client.get_inference_statistics(name, "1")["model_stats"]
    assert (one["name"], one["version"]) == (name, "1")
    return one


@pytest.mark.parametrize(
    "ask",
    ["get_trace_settings", "get_log_settings", "get_system_shared_memory_status", "get_cuda_shared_memory_status"],
)
def test_what_is_not_supported_is_not_found(client, ask):
    with pytest.raises(InferenceServerException, match="nothing is served at this path") as refused:
        getattr(client, ask)()
    assert refused.value.status() == "404"
