"""tritonclient.http, its synchronous client: every refusal is its exception, with our words and the status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ml_dtypes import bfloat16
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.conformance.live import MAX_BODY_BYTES, Live
from tests.conformance.native import BIRDS, x_cat, x_num
from tests.conformance.tensors import flowers, given


@pytest.fixture
def client(live: Live) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(live.address) as client:
        yield client


def refusal(client: InferenceServerClient, *arguments: Any, **options: Any) -> tuple[str, str]:
    """Status and words of what is refused; after which the service goes on as before."""
    with pytest.raises(InferenceServerException) as refused:
        client.infer(*arguments, **options)
    assert client.infer("iris", flowers()).as_numpy("class_index").shape == (3,)
    return refused.value.status(), refused.value.message()


def test_an_unknown_model_is_not_found(client):
    status, message = refusal(client, "no-such-model", flowers())
    assert status == "404"
    assert "no-such-model" in message


@pytest.mark.parametrize("version", ["3", "0"])
def test_an_unknown_version_is_not_found(client, version):
    status, message = refusal(client, "iris", flowers(), model_version=version)
    assert status == "404"
    assert "version" in message


@pytest.mark.parametrize("version", ["first", "1.0", "-1", "1" * 5000])
def test_a_version_that_is_no_number_is_not_found(client, version):
    assert refusal(client, "iris", flowers(), model_version=version)[0] == "404"


@pytest.mark.parametrize("model", ["a/b", "ärende", "..", "iris?", "%", "x" * 300])
def test_a_name_that_can_be_none_is_not_found(client, model):
    status, message = refusal(client, model, flowers())
    assert status == "404"
    assert message


def test_an_unknown_input_is_refused(client):
    assert refusal(client, "iris", [given("x", np.zeros((1, 4), np.float32))]) == (
        "400",
        "inputs must be x_num, or one for each feature; got x",
    )


def test_a_lacking_input_is_refused(client):
    assert refusal(client, "birds", [given("x_num", x_num(BIRDS))]) == (
        "400",
        "inputs must be x_num and x_cat, or one for each feature; lacks x_cat",
    )


def test_a_second_input_of_the_same_name_is_refused(client):
    status, message = refusal(client, "iris", flowers() * 2)
    assert status == "400"
    assert "twice" in message


def test_no_inputs_are_refused(client):
    status, message = refusal(client, "iris", [])
    assert status == "400"
    assert message.endswith("lacks x_num")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(1, 3), (4,), (1, 4, 1), (1, 5)])
def test_a_wrong_shape_is_refused(client, shape, binary):
    array = np.zeros(shape, np.float32)
    assert refusal(client, "iris", [given("x_num", array, binary=binary)]) == (
        "400",
        f"input 'x_num' must have the shape [n_rows, 4], got {list(shape)}",
    )


def test_inputs_of_several_lengths_are_refused(client):
    status, message = refusal(client, "birds", [given("x_num", x_num(BIRDS)), given("x_cat", x_cat(BIRDS[:2]))])
    assert status == "400"
    assert message.startswith("inputs must all have as many rows, got")


@pytest.mark.parametrize("binary", [True, False])
def test_texts_for_numbers_are_refused(client, binary):
    array = np.full((1, 4), "5.1", object)
    status, message = refusal(client, "iris", [given("x_num", array, binary=binary)])
    assert status == "400"
    assert message == "input 'x_num' must be of a datatype of numbers, got BYTES"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_numbers_for_texts_are_refused(client, dtype, binary):
    array = np.zeros((len(BIRDS), 3), dtype)
    inputs = [given("x_num", x_num(BIRDS)), given("x_cat", array, binary=binary)]
    status, message = refusal(client, "birds", inputs)
    assert status == "400"
    assert message == f"input 'x_cat' must be of the datatype BYTES, got {np_to_triton_dtype(array.dtype)}"


def test_bfloat16_is_refused(client):
    status, message = refusal(client, "iris", [given("x_num", np.zeros((1, 4), bfloat16))])
    assert status == "400"
    assert message.endswith("got 'BF16'")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("number", [1e39, np.inf, -np.inf])
def test_a_number_that_is_infinite_as_float32_is_refused(client, number, binary):
    array = np.array([[5.1, number, 1.4, 0.2]], np.float64)
    status, message = refusal(client, "iris", [given("x_num", array, binary=binary)])
    assert status == "400"
    assert "finite" in message


@pytest.mark.parametrize("n_rows", [10_001, 20_000])
def test_too_many_rows_are_refused(client, n_rows):
    status, message = refusal(client, "iris", [given("x_num", np.zeros((n_rows, 4), np.float32))])
    assert status == "413"
    assert "10000" in message


def test_a_text_that_is_not_utf8_is_refused(client):
    texts = x_cat(BIRDS)
    texts[0, 0] = b"\xff\xfe"
    status, message = refusal(client, "birds", [given("x_num", x_num(BIRDS)), given("x_cat", texts)])
    assert status == "400"
    assert message == "input 'x_cat' must hold texts in UTF-8, got other bytes"


@pytest.mark.parametrize("change", [-1, 1, 4])
def test_a_wrong_number_of_bytes_is_refused(client, change):
    (one,) = flowers()
    one._raw_data = (one._raw_data + bytes(4))[: len(one._raw_data) + change]
    one._parameters["binary_data_size"] = len(one._raw_data)
    status, message = refusal(client, "iris", [one])
    assert status == "400"
    assert message == f"input 'x_num' must have 48 bytes, as its shape and datatype say, got {48 + change}"


@pytest.mark.parametrize(("declared", "words"), [(49, "got 48"), (47, "got 47"), (2**63, "got 48")])
def test_a_wrong_binary_data_size_is_refused(client, declared, words):
    (one,) = flowers()
    one._parameters["binary_data_size"] = declared
    status, message = refusal(client, "iris", [one])
    assert status == "400"
    assert words in message


@pytest.mark.parametrize("content", [b"", b"\x01", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00" * 2, b"\x00" * 16])
def test_texts_whose_lengths_do_not_add_up_are_refused(client, content):
    one = InferInput("x_cat", [1, 3], "BYTES")
    one._raw_data = content
    one._parameters["binary_data_size"] = len(content)
    status, message = refusal(client, "birds", [given("x_num", x_num(BIRDS[:1])), one])
    assert status == "400"
    assert "'x_cat' must have 3 elements" in message


def test_an_unknown_output_is_refused(client):
    status, message = refusal(client, "iris", flowers(), outputs=[InferRequestedOutput("label")])
    assert status == "400"
    assert message == "outputs must be among logits, probabilities, class_index; got 'label'"


def test_an_output_asked_for_twice_is_refused(client):
    outputs = [InferRequestedOutput("logits"), InferRequestedOutput("logits", binary_data=False)]
    assert refusal(client, "iris", flowers(), outputs=outputs)[0] == "400"


def test_classification_of_the_class_index_is_refused(client):
    outputs = [InferRequestedOutput("class_index", class_count=1)]
    status, message = refusal(client, "iris", flowers(), outputs=outputs)
    assert status == "400"
    assert "class_index" in message


def test_shared_memory_is_refused(client):
    one = InferInput("x_num", [3, 4], "FP32").set_shared_memory("region", 48)
    output = InferRequestedOutput("logits")
    output.set_shared_memory("region", 36)
    for arguments in ([one], None), (flowers(), [output]):
        status, message = refusal(client, "iris", arguments[0], outputs=arguments[1])
        assert status == "400"
        assert "shared memory is not supported" in message


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_too_large_once_it_is_decompressed_is_refused(client, encoding):
    zeros = given("x_num", np.zeros((MAX_BODY_BYTES // 16 + 1, 4), np.float32))
    status, message = refusal(client, "iris", [zeros], request_compression_algorithm=encoding)
    assert status == "413"
    assert str(MAX_BODY_BYTES) in message


def test_a_body_that_is_too_large_is_refused(client):
    status, message = refusal(client, "iris", [given("x_num", np.zeros((MAX_BODY_BYTES // 16 + 1, 4), np.float32))])
    assert status == "413"
    assert str(MAX_BODY_BYTES) in message


@pytest.mark.parametrize("ask", ["get_model_metadata", "get_model_config", "get_inference_statistics"])
def test_what_does_not_exist_has_neither_metadata_nor_configuration_nor_statistics(client, ask):
    for arguments in ("no-such-model",), ("iris", "3"):
        with pytest.raises(InferenceServerException) as refused:
            getattr(client, ask)(*arguments)
        assert refused.value.status() == "404"
        assert refused.value.message()
