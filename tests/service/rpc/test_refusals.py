"""What cannot be answered is said in the words that HTTP has for it, under gRPC's codes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from open_inference.grpc.protocol import ModelInferRequest
from open_inference.grpc.service import GRPCInferenceServiceStub

from contract.publishing import Publisher
from service.rpc.calls import MAX_TEXT
from tests.service.rpc.asking import FIELDS, add_raw, add_typed, ask_for, raw_rows, request, typed_rows
from tests.service.rpc.conftest import PATIENCE_S, Rpc

INVALID = grpc.StatusCode.INVALID_ARGUMENT
Change = Callable[[ModelInferRequest], object]


def _raw(change: Change) -> ModelInferRequest:
    message = raw_rows()
    change(message)
    return message


def _typed(change: Change) -> ModelInferRequest:
    message = typed_rows()
    change(message)
    return message


def _input(datatype: str, elements: list[Any], shape: tuple[int, ...] = (1, 4)) -> ModelInferRequest:
    message = request()
    add_typed(message, "x_num", elements, shape, datatype)
    return message


def _asking(name: str, **parameters: Any) -> ModelInferRequest:
    return _typed(lambda message: ask_for(message, name, **parameters))


def _twice(message: ModelInferRequest) -> None:
    message.inputs.append(message.inputs[0])


INVALID_REQUESTS = {
    "no inputs": (request(), "inputs must be x_num, or one for each feature; lacks x_num"),
    "another input": (
        _typed(lambda message: setattr(message.inputs[0], "name", "x")),
        "inputs must be x_num, or one for each feature; got x",
    ),
    "an input twice": (_typed(_twice), "inputs must be x_num, or one for each feature; got one of them twice"),
    "another shape": (
        _input("FP32", [1.0] * 4, (4, 1)),
        "input 'x_num' must have the shape [n_rows, 4], got [4, 1]",
    ),
    "no rows": (_input("FP32", [], (0, 4)), None),
    "rows below none": (_input("FP32", [], (-1, 4)), None),
    "another datatype": (_typed(lambda message: setattr(message.inputs[0], "datatype", "BF16")), None),
    "texts for numbers": (
        _input("BYTES", [b"1"] * 4),
        "input 'x_num' must be of a datatype of numbers, got BYTES",
    ),
    "no contents": (
        _input("FP32", []),
        "input 'x_num' must have 4 elements in fp32_contents, as its shape and datatype say, and nothing else; got 0",
    ),
    "too few": (
        _input("FP32", [1.0]),
        "input 'x_num' must have 4 elements in fp32_contents, as its shape and datatype say, and nothing else; got 1",
    ),
    "contents of another datatype": (
        _typed(lambda message: setattr(message.inputs[0], "datatype", "FP64")),
        "input 'x_num' must have 8 elements in fp64_contents, as its shape and datatype say, and nothing else; "
        "got 0 and fp32_contents",
    ),
    "contents in two places": (
        _typed(lambda message: message.inputs[0].contents.int_contents.append(1)),
        "input 'x_num' must have 8 elements in fp32_contents, as its shape and datatype say, and nothing else; "
        "got 8 and int_contents",
    ),
    "a number outside its datatype": (
        _input("INT8", [1, 2, 3, 128]),
        "input 'x_num' must have elements of INT8, got one outside its range",
    ),
    "one below its datatype": (
        _input("INT16", [1, 2, 3, -40_000]),
        "input 'x_num' must have elements of INT16, got one outside its range",
    ),
    "contents and raw contents": (
        _raw(lambda message: message.inputs[0].contents.fp32_contents.append(1.0)),
        "input 'x_num' must have contents or raw_input_contents, got both",
    ),
    "more raw contents than inputs": (
        _raw(lambda message: message.raw_input_contents.append(b"")),
        "raw_input_contents must be as many as the inputs, 1, got 2",
    ),
    "too few bytes": (
        _raw(lambda message: message.raw_input_contents.__setitem__(0, b"1234")),
        "input 'x_num' must have 32 bytes, as its shape and datatype say, got 4",
    ),
    "shared memory": (
        _typed(
            lambda message: (
                message.inputs[0].ClearField("contents")
                or setattr(message.inputs[0].parameters["shared_memory_region"], "string_param", "r")
            )
        ),
        "input 'x_num' must come with the request; shared memory is not supported",
    ),
    "another output": (_asking("x"), "outputs must be among logits, probabilities, class_index; got 'x'"),
    "an output in shared memory": (
        _asking("logits", shared_memory_region=("string_param", "r")),
        "output 'logits' must go with the answer; shared memory is not supported",
    ),
    "classes of what has none": (_asking("class_index", classification=("int64_param", 1)), None),
    "classes below none": (
        _asking("logits", classification=("int64_param", -1)),
        "classification of output 'logits' must be an int64_param from 0 up",
    ),
    "classes in words": (
        _asking("logits", classification=("string_param", "1")),
        "classification of output 'logits' must be an int64_param from 0 up",
    ),
    "an infinite number": (_input("FP64", [1e300, 1, 1, 1]), None),
    "an infinite answer": (_input("FP32", [3e38] * 4), None),
}


@pytest.mark.parametrize("case", INVALID_REQUESTS)
def test_a_request_that_is_wrong_is_told_how(shared: Rpc, case: str) -> None:
    message, expected = INVALID_REQUESTS[case]
    code, text = shared.refusal(message)
    assert code == INVALID
    assert text == expected if expected else text


def test_a_fault_of_a_row_is_told_as_over_http(shared: Rpc) -> None:
    http = shared.http.post(
        "/v2/models/iris/infer",
        json={"inputs": [{"name": "x_num", "datatype": "FP32", "shape": [1, 4], "data": [3e38] * 4}]},
    )
    assert shared.refusal(_input("FP32", [3e38] * 4)) == (INVALID, http.json()["error"])


def test_texts_must_be_utf_8(shared: Rpc) -> None:
    for add in (add_raw, add_typed):
        message = request("penguins")
        add(message, "x_num", [1.0, 2.0], [1, 2])
        add(message, "x_cat", [b"Dream", b"\xff"], [1, 2], "BYTES")
        assert shared.refusal(message) == (INVALID, "input 'x_cat' must hold texts in UTF-8, got other bytes")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (typed_rows(model="none"), "a model must be loaded, got 'none'"),
        (typed_rows(model=""), "a model must be loaded, got ''"),
        (typed_rows(model_version="one"), "a version must be a number, got 'one'"),
        (typed_rows(model_version="9"), None),
    ],
)
def test_what_there_is_not_is_not_found(shared: Rpc, message: ModelInferRequest, expected: str | None) -> None:
    code, text = shared.refusal(message)
    assert code == grpc.StatusCode.NOT_FOUND
    assert text == expected if expected else "9" in text


def test_more_rows_than_the_limit_are_too_many(shared: Rpc) -> None:
    for make in (typed_rows, raw_rows):
        code, text = shared.refusal(make(np.zeros((20_001, 4)).tolist()))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "20000" in text


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_beyond_the_limit_is_not_taken_however_small_it_came(
    rpc: Callable[..., Rpc], compression: grpc.Compression
) -> None:
    service = rpc(max_body_bytes=100_000)
    message = request()
    message.raw_input_contents.append(b"\0" * 110_000)
    with pytest.raises(grpc.RpcError) as caught:
        service.infer(message, compression=compression)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_message_that_is_none_is_the_callers_mistake(shared: Rpc) -> None:
    for method, kind in (("ModelInfer", "ModelInferRequest"), ("ModelMetadata", "ModelMetadataRequest")):
        call = shared.channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff", timeout=PATIENCE_S)
        assert caught.value.code() == INVALID
        assert caught.value.details() == f"a message must be a {kind}, got other bytes"


@pytest.mark.parametrize("method", ["ModelConfig", "ModelStreamInfer", "SystemSharedMemoryRegister"])
def test_other_methods_of_other_servers_are_not_implemented(shared: Rpc, method: str) -> None:
    call = shared.channel.stream_stream(f"/inference.GRPCInferenceService/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([b""]), timeout=PATIENCE_S))
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == (
        "a method of inference.GRPCInferenceService must be one of ServerLive, ServerReady, ModelReady, "
        f"ServerMetadata, ModelMetadata, ModelInfer; got '{method}'"
    )


def test_a_long_text_is_cut_to_what_a_header_holds(shared: Rpc) -> None:
    message = request("penguins")
    for i in range(40):
        add_typed(message, f"{i}-{'é' * 200}", [1.0], [1])
    code, text = shared.refusal(message)
    assert code == INVALID
    assert len(text) <= MAX_TEXT + 1


def test_a_version_that_must_not_be_served_says_no_more(
    rpc: Callable[..., Rpc], publisher: Publisher, foundry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, model=b"not a model", promote=False)
    code, text = rpc().refusal(typed_rows(model_version="2"))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert text.startswith("the version is published, but what it holds must not be served; the log says why (request ")
    assert "a version was refused" in caplog.messages


def test_a_fault_of_ours_tells_the_id_of_the_request_only(
    rpc: Callable[..., Rpc], publisher: Publisher, foundry: Any, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a secret")

    foundry.publish(publisher)
    service = rpc()
    monkeypatch.setattr("service.rpc.exchange.read_request", fail)
    with pytest.raises(grpc.RpcError) as caught:
        service.infer(typed_rows(), metadata=[("x-request-id", "mine")])
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert caught.value.details() == (
        "the service failed to answer; its log says more under this request_id (request mine)"
    )
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert vars(record)["path"] == "/inference.GRPCInferenceService/ModelInfer"


def test_a_small_message_of_very_many_parts_is_refused(shared: Rpc) -> None:
    inputs = shared.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    head = typed_rows().SerializeToString()
    for part in (b"\x2a\x00", b"\x32\x00", b"\x3a\x00"):  # inputs, outputs, raw_input_contents
        with pytest.raises(grpc.RpcError) as caught:
            inputs(head + part * 1_000_000, timeout=PATIENCE_S)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_every_field_of_contents_is_read() -> None:
    assert set(FIELDS.values()) == {
        field.name for field in INVALID_REQUESTS["too few"][0].inputs[0].contents.DESCRIPTOR.fields
    }


def test_the_stubs_ask_for_the_methods_that_there_are(shared: Rpc) -> None:
    stub = GRPCInferenceServiceStub(shared.channel)
    assert {"ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"} == set(
        vars(stub)
    )
