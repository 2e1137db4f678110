"""tritonclient.http, its synchronous client (gevent): inference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferRequestedOutput

from tests.conformance.live import Live
from tests.conformance.native import BIRDS, FLOWERS, same, x_cat, x_num
from tests.conformance.tensors import OUTPUTS, birds, flowers, given, outputs_of

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (np.float16, np.float32, np.float64)
AT_ONCE = 20


@pytest.fixture
def client(live: Live) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(live.address, concurrency=AT_ONCE) as client:
        yield client


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_numbers_get_the_answers_of_our_own_route(client, native, binary_in, binary_out):
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
    result = client.infer("iris", flowers(binary=binary_in), outputs=outputs)
    native.answers("iris", FLOWERS).check(*outputs_of(result))
    assert [("data" in output) for output in result.get_response()["outputs"]] == [not binary_out] * 3


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_texts_and_missing_cells_get_the_answers_of_our_own_route(client, native, binary_in, binary_out):
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
    result = client.infer("birds", birds(binary=binary_in), outputs=outputs)
    native.answers("birds", BIRDS).check(*outputs_of(result))


@pytest.mark.parametrize("numbers_binary", [True, False])
def test_one_input_may_be_binary_and_the_other_json(client, native, numbers_binary):
    inputs = [
        given("x_num", x_num(BIRDS), binary=numbers_binary),
        given("x_cat", x_cat(BIRDS), binary=not numbers_binary),
    ]
    native.answers("birds", BIRDS).check(*outputs_of(client.infer("birds", inputs)))


def test_inputs_may_come_in_any_order(client, native):
    native.answers("birds", BIRDS).check(*outputs_of(client.infer("birds", birds()[::-1])))


def test_without_outputs_all_come_in_binary(client, native):
    result = client.infer("iris", flowers())
    native.answers("iris", FLOWERS).check(*outputs_of(result))
    assert [output["name"] for output in result.get_response()["outputs"]] == list(OUTPUTS)
    assert all(output["parameters"]["binary_data_size"] for output in result.get_response()["outputs"])


def test_binary_and_json_outputs_mix_in_the_order_asked_for(client, native):
    outputs = [
        InferRequestedOutput("class_index", binary_data=True),
        InferRequestedOutput("logits", binary_data=False),
        InferRequestedOutput("probabilities", binary_data=True),
    ]
    result = client.infer("iris", flowers(), outputs=outputs)
    native.answers("iris", FLOWERS).check(*outputs_of(result))
    assert [output["name"] for output in result.get_response()["outputs"]] == ["class_index", "logits", "probabilities"]
    assert [("data" in output) for output in result.get_response()["outputs"]] == [False, True, False]


def test_only_the_outputs_asked_for_come(client, native):
    result = client.infer("iris", flowers(), outputs=[InferRequestedOutput("probabilities")])
    assert [output["name"] for output in result.get_response()["outputs"]] == ["probabilities"]
    assert same(result.as_numpy("probabilities"), native.answers("iris", FLOWERS).probabilities)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_every_datatype_are_numbers_to_their_limits(client, native, dtype, binary):
    limits = np.iinfo(dtype)
    rows = [[5, 3, 1, 0], [limits.max, limits.min, 6, 2]]
    result = client.infer("iris", flowers(rows, dtype, binary=binary))
    native.answers("iris", rows).check(*outputs_of(result))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_of_every_datatype_are_numbers(client, native, dtype, binary):
    numbers = np.array(FLOWERS, dtype)
    result = client.infer("iris", flowers(numbers, dtype, binary=binary))
    native.answers("iris", numbers.tolist()).check(*outputs_of(result))


@pytest.mark.parametrize("binary", [True, False])
def test_booleans_are_zero_and_one(client, native, binary):
    rows = [[True, False, True, True], [False, False, True, False]]
    result = client.infer("iris", flowers(rows, bool, binary=binary))
    native.answers("iris", np.array(rows, int).tolist()).check(*outputs_of(result))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", [bool, *INTEGERS, *FLOATS])
def test_a_numeric_feature_of_its_own_takes_every_datatype(client, native, dtype, binary):
    rows = np.array([[1, 0, 1, 1], [0, 0, 1, 0]])
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    inputs = [given(name, cells.astype(dtype), binary=binary) for name, cells in zip(names, rows.T, strict=True)]
    native.answers("iris", rows.tolist()).check(*outputs_of(client.infer("iris", inputs)))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_is_a_missing_number_in_every_float(client, native, dtype, binary):
    rows = [[5.5, float("nan"), 1.5, 0.25]]
    result = client.infer("iris", flowers(rows, dtype, binary=binary))
    native.answers("iris", [[5.5, None, 1.5, 0.25]]).check(*outputs_of(result))


COLUMNS = {
    "wing": [np.float16, np.float32, np.float64],
    "tail": [np.float16, np.float32, np.float64],
    "place": [object],
    "ring": [object, *INTEGERS],
    "tame": [object, bool],
}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(5,), (5, 1)])
@pytest.mark.parametrize("turn", range(9))
def test_each_feature_may_be_an_input_of_its_own_in_any_order(client, native, turn, shape, binary):
    tensors = dict(zip(("wing", "tail"), x_num(BIRDS).T, strict=True))
    tensors |= dict(zip(("place", "ring", "tame"), x_cat(BIRDS).T, strict=True))
    values: dict[str, Any] = {"ring": [row[3] for row in BIRDS], "tame": [row[4] for row in BIRDS]}
    inputs = []
    for name, dtypes in COLUMNS.items():
        dtype = dtypes[turn % len(dtypes)]
        cells = tensors[name] if dtype is object else values.get(name, tensors[name])
        inputs.append(given(name, np.array(cells, dtype).reshape(shape), binary=binary))
    inputs = inputs[turn % 5 :] + inputs[: turn % 5]
    native.answers("birds", BIRDS).check(*outputs_of(client.infer("birds", inputs)))


def test_fixed_width_texts_are_texts(client, native):
    rows = [[1.5, 2.0, "Nowhere", 1, True]]
    inputs = [given("x_num", x_num(rows)), given("x_cat", x_cat(rows).astype("S"))]
    native.answers("birds", rows).check(*outputs_of(client.infer("birds", inputs)))


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("name", ["logits", "probabilities"])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 1000])
def test_classification_names_the_best_classes(client, native, n_classes, name, binary_out):
    outputs = [InferRequestedOutput(name, binary_data=binary_out, class_count=n_classes)]
    result = client.infer("birds", birds(), outputs=outputs)
    texts = [
        [cell.decode() if isinstance(cell, bytes) else cell for cell in row] for row in result.as_numpy(name).tolist()
    ]
    answers = native.answers("birds", BIRDS)
    scores = getattr(answers, name)
    assert result.get_output(name)["datatype"] == "BYTES"
    assert [[text.partition(":")[2] for text in row] for row in texts] == answers.best(
        scores, n_classes, native.labels("birds")
    )
    values = np.array([[text.partition(":")[0] for text in row] for row in texts]).astype(np.float32)
    assert same(values, -np.sort(-scores, axis=1)[:, :n_classes])


def test_the_best_class_has_the_label_of_our_own_route(client, native):
    outputs = [InferRequestedOutput("probabilities", class_count=1)]
    texts = client.infer("birds", birds(), outputs=outputs).as_numpy("probabilities").ravel()
    assert [text.decode().split(":", 2)[2] for text in texts] == native.answers("birds", BIRDS).labels


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_of_its_own_answers(client, native, version):
    result = client.infer("birds", birds(), model_version=version)
    native.answers("birds", BIRDS, int(version)).check(*outputs_of(result))
    assert (result.get_response()["model_name"], result.get_response()["model_version"]) == ("birds", version)


def test_two_versions_do_not_answer_alike(client):
    first, second = (client.infer("birds", birds(), model_version=version) for version in "12")
    assert not same(first.as_numpy("logits"), second.as_numpy("logits"))


@pytest.mark.parametrize("request_id", ["7", "Ärende 7 “om fåglar”", 'a"b\\c', "x" * 1000])
@pytest.mark.parametrize("binary", [True, False])
def test_an_id_comes_back_as_it_was(client, request_id, binary):
    outputs = [InferRequestedOutput("logits", binary_data=binary)]
    assert client.infer("iris", flowers(), outputs=outputs, request_id=request_id).get_response()["id"] == request_id


def test_without_an_id_none_comes_back(client):
    assert "id" not in client.infer("iris", flowers()).get_response()


def test_what_other_servers_know_of_is_ignored(client, native):
    result = client.infer(
        "iris",
        flowers(),
        sequence_id=3,
        sequence_start=True,
        priority=1,
        timeout=1000,
        parameters={"purpose": "test", "rank": 3, "share": 0.5, "really": True},
        query_params={"trace": "on", "tag": ["a", "b&c"]},
        headers={"X-Tenant": "blue"},
    )
    native.answers("iris", FLOWERS).check(*outputs_of(result))


def test_twenty_requests_at_once_get_their_own_answers(client, native):
    rows = [[[4 + i / 8, 3.0, 1 + i / 4, i / 8]] for i in range(AT_ONCE)]
    under_way = [client.async_infer("iris", flowers(row), request_id=str(i)) for i, row in enumerate(rows)]
    for i, (request, row) in enumerate(zip(under_way, rows, strict=True)):
        result = request.get_result(timeout=30)
        assert result.get_response()["id"] == str(i)
        native.answers("iris", row).check(*outputs_of(result))


def test_a_request_as_large_as_may_be_is_answered(client, native):
    rows = FLOWERS * 3333
    answers = native.answers("iris", rows)
    answers.check(*outputs_of(client.infer("iris", flowers(rows))))
