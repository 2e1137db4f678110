"""tritonclient.grpc, its synchronous client: all that is served over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.conformance.live import MAX_BODY_BYTES, PATIENCE_S, Live
from tests.conformance.native import BIRDS, FLOWERS, same, x_cat, x_num

OUTPUTS = ("logits", "probabilities", "class_index")
DTYPES = [np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")]
AT_ONCE = 20


@pytest.fixture
def client(live: Live) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(live.grpc_address) as client:
        yield client


def given(name: str, array: np.ndarray) -> InferInput:
    return InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)


def flowers(rows: Any = FLOWERS, dtype: Any = np.float32) -> list[InferInput]:
    return [given("x_num", np.array(rows, dtype))]


def birds() -> list[InferInput]:
    return [given("x_num", x_num(BIRDS)), given("x_cat", x_cat(BIRDS))]


def outputs_of(result: InferResult) -> list[np.ndarray]:
    return [result.as_numpy(name) for name in OUTPUTS]


def refusal(client: InferenceServerClient, *arguments: Any, **options: Any) -> tuple[str, str]:
    """Code and words of what is refused; after which the service goes on as before."""
    with pytest.raises(InferenceServerException) as refused:
        client.infer(*arguments, **options)
    assert client.infer("iris", flowers()).as_numpy("class_index").shape == (3,)
    return refused.value.status().removeprefix("StatusCode."), refused.value.message()


def test_numbers_get_the_answers_of_our_own_route(client, native):
    result = client.infer("iris", flowers())
    native.answers("iris", FLOWERS).check(*outputs_of(result))
    assert [output.name for output in result.get_response().outputs] == list(OUTPUTS)


def test_texts_and_missing_cells_get_the_answers_of_our_own_route(client, native):
    native.answers("birds", BIRDS).check(*outputs_of(client.infer("birds", birds())))
    native.answers("birds", BIRDS).check(*outputs_of(client.infer("birds", birds()[::-1])))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numbers_of_every_datatype_are_numbers(client, native, dtype):
    rows = np.array([[1, 0, 1, 1], [0, 0, 1, 0]]).astype(dtype)
    result = client.infer("iris", flowers(rows, dtype))
    native.answers("iris", rows.astype(int).tolist()).check(*outputs_of(result))


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_integers_are_numbers_to_their_limits(client, native, dtype):
    limits = np.iinfo(dtype)
    rows = [[5, 3, 1, 0], [limits.max, limits.min, 6, 2]]
    native.answers("iris", rows).check(*outputs_of(client.infer("iris", flowers(rows, dtype))))


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
@pytest.mark.parametrize(("ring", "tame"), [("i8", "?"), ("u1", object), (object, "?")])
def test_each_feature_may_be_an_input_of_its_own_in_any_order(client, native, ring, tame, shape):
    texts = dict(zip(("place", "ring", "tame"), x_cat(BIRDS).T, strict=True))
    columns = {
        "tame": texts["tame"] if tame is object else np.array([row[4] for row in BIRDS], tame),
        "ring": texts["ring"] if ring is object else np.array([row[3] for row in BIRDS], ring),
        "place": texts["place"],
        "tail": x_num(BIRDS)[:, 1],
        "wing": x_num(BIRDS)[:, 0].astype(np.float64),
    }
    inputs = [given(name, cells.reshape(shape)) for name, cells in columns.items()]
    native.answers("birds", BIRDS).check(*outputs_of(client.infer("birds", inputs)))


def test_only_the_outputs_asked_for_come_in_their_order(client, native):
    outputs = [InferRequestedOutput("class_index"), InferRequestedOutput("logits")]
    result = client.infer("iris", flowers(), outputs=outputs)
    answers = native.answers("iris", FLOWERS)
    assert [output.name for output in result.get_response().outputs] == ["class_index", "logits"]
    assert same(result.as_numpy("class_index"), answers.class_index)
    assert same(result.as_numpy("logits"), answers.logits)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 1000])
def test_classification_names_the_best_classes(client, native, n_classes):
    outputs = [InferRequestedOutput("probabilities", class_count=n_classes)]
    texts = client.infer("birds", birds(), outputs=outputs).as_numpy("probabilities")
    answers = native.answers("birds", BIRDS)
    best = answers.best(answers.probabilities, n_classes, native.labels("birds"))
    assert [[text.decode().partition(":")[2] for text in row] for row in texts] == best


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_and_an_id_come_back(client, native, version):
    result = client.infer("birds", birds(), model_version=version, request_id="Ärende 7")
    native.answers("birds", BIRDS, int(version)).check(*outputs_of(result))
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("Ärende 7", "birds", version)


def test_what_other_servers_know_of_is_ignored(client, native):
    result = client.infer(
        "iris",
        flowers(),
        sequence_id="series",
        priority=1,
        timeout=1000,
        headers={"x-tenant": "blue"},
        parameters={"purpose": "test", "rank": 3, "share": 0.5, "really": True},
    )
    native.answers("iris", FLOWERS).check(*outputs_of(result))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_messages_may_be_compressed(client, native, algorithm):
    rows = FLOWERS * 300
    result = client.infer("iris", flowers(rows), compression_algorithm=algorithm)
    native.answers("iris", rows).check(*outputs_of(result))


def test_twenty_requests_at_once_get_their_own_answers(client, native):
    rows = [[[4 + i / 8, 3.0, 1 + i / 4, i / 8]] for i in range(AT_ONCE)]
    answered: Queue[tuple[InferResult | None, InferenceServerException | None]] = Queue()
    for i, row in enumerate(rows):
        client.async_infer("iris", flowers(row), lambda result, error: answered.put((result, error)), request_id=str(i))
    results = {}
    for _request in rows:
        result, error = answered.get(timeout=PATIENCE_S)
        assert error is None
        assert result is not None
        results[int(result.get_response().id)] = result
    for i, row in enumerate(rows):
        native.answers("iris", row).check(*outputs_of(results[i]))


def test_the_server_and_its_models_live_and_are_ready(client):
    assert client.is_server_live() is True
    assert client.is_server_ready() is True
    assert client.is_model_ready("birds") is True
    assert client.is_model_ready("birds", "2") is True


def test_a_model_that_was_unloaded_is_not_ready(client, live, http):
    try:
        http.post("/v2/repository/models/spare/unload", headers=live.admin).raise_for_status()
        assert client.is_model_ready("spare") is False
        assert refusal(client, "spare", flowers())[0] == "UNAVAILABLE"
    finally:
        http.post("/v2/repository/models/spare/load", headers=live.admin).raise_for_status()
    assert client.is_model_ready("spare") is True


def test_metadata_is_that_of_http(client, http):
    for path, message in (
        ("/v2", client.get_server_metadata(as_json=True)),
        ("/v2/models/birds", client.get_model_metadata("birds", as_json=True)),
        ("/v2/models/birds/versions/2", client.get_model_metadata("birds", "2", as_json=True)),
    ):
        expected = http.get(path).json()
        for tensor in expected.get("inputs", []) + expected.get("outputs", []):
            tensor["shape"] = [str(size) for size in tensor["shape"]]  # as protobuf writes int64 in JSON
        if path == "/v2":
            assert set(message.pop("extensions")) <= set(expected.pop("extensions"))
        assert message == expected


@pytest.mark.parametrize("arguments", [("no-such-model",), ("birds", "3"), ("birds", "first")])
def test_what_does_not_exist_is_not_ready_and_has_no_metadata(client, arguments):
    assert client.is_model_ready(*arguments) is False
    with pytest.raises(InferenceServerException) as refused:
        client.get_model_metadata(*arguments)
    assert refused.value.status() == "StatusCode.NOT_FOUND"
    assert refused.value.message()


def test_an_unknown_model_is_not_found(client):
    code, message = refusal(client, "no-such-model", flowers())
    assert code == "NOT_FOUND"
    assert "no-such-model" in message


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("x", np.zeros((1, 4), np.float32))], "inputs must be x_num, or one for each feature; got x"),
        ([], "lacks x_num"),
        ([("x_num", np.zeros((1, 3), np.float32))], "input 'x_num' must have the shape [n_rows, 4], got [1, 3]"),
        ([("x_num", np.full((1, 4), "5.1", object))], "input 'x_num' must be of a datatype of numbers, got BYTES"),
        ([("x_num", np.full((1, 4), np.inf, np.float32))], "finite"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_our_words(client, inputs, words):
    code, message = refusal(client, "iris", [given(name, array) for name, array in inputs])
    assert code == "INVALID_ARGUMENT"
    assert words in message


@pytest.mark.parametrize("change", [-1, 1, 4])
def test_a_wrong_number_of_bytes_is_refused(client, change):
    (one,) = flowers()
    one._raw_content = (one._raw_content + bytes(4))[: 48 + change]
    code, message = refusal(client, "iris", [one])
    assert code == "INVALID_ARGUMENT"
    assert message == f"input 'x_num' must have 48 bytes, as its shape and datatype say, got {48 + change}"


def test_an_unknown_output_is_refused(client):
    code, message = refusal(client, "iris", flowers(), outputs=[InferRequestedOutput("label")])
    assert code == "INVALID_ARGUMENT"
    assert message == "outputs must be among logits, probabilities, class_index; got 'label'"


@pytest.mark.parametrize("algorithm", [None, "gzip"])
def test_a_message_that_is_too_large_is_refused(client, algorithm):
    rows = np.zeros((MAX_BODY_BYTES // 16 + 1, 4), np.float32)
    assert refusal(client, "iris", flowers(rows), compression_algorithm=algorithm)[0] == "RESOURCE_EXHAUSTED"


def test_too_many_rows_are_refused(client):
    code, message = refusal(client, "iris", flowers(np.zeros((10_001, 4))))
    assert code in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    assert "10000" in message


def test_what_is_not_supported_is_unimplemented(client):
    for ask in client.get_model_repository_index, client.get_trace_settings, client.get_log_settings:
        with pytest.raises(InferenceServerException) as refused:
            ask()
        assert refused.value.status() == "StatusCode.UNIMPLEMENTED"
