"""A message of millions of parts is refused while it is bytes."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from open_inference.grpc.protocol import ModelInferRequest

from service.errors import BodyTooLarge
from service.rpc.wire_fields import MAX_FIELDS, SMALL_BYTES, check_fields
from tests.service.rpc.conftest import Rpc

Request = ModelInferRequest
INPUTS, OUTPUTS, RAW, SHAPE, PARAMETERS = 5, 6, 7, 3, 4


def empty(number: int) -> bytes:
    """A field of a message with nothing in it."""
    return bytes([number << 3 | 2, 0])


def within(number: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    size, length = len(content), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


MANY = max(MAX_FIELDS, SMALL_BYTES) + 1
TOO_MANY = {
    "inputs": empty(INPUTS) * MANY,
    "outputs": empty(OUTPUTS) * MANY,
    "contents": empty(RAW) * MANY,
    "parameters": empty(PARAMETERS) * MANY,
    "parameters of an input": within(INPUTS, empty(PARAMETERS) * MANY),
    "parameters of an output": within(OUTPUTS, empty(3) * MANY),
    "dimensions": within(INPUTS, within(SHAPE, b"\1" * MANY)),
    "dimensions by themselves": within(INPUTS, bytes([SHAPE << 3, 1]) * MANY),
}


@pytest.mark.parametrize("body", TOO_MANY.values(), ids=TOO_MANY)
def test_too_many_parts_are_refused(body: bytes) -> None:
    assert Request.FromString(body).IsInitialized()  # it is a message
    with pytest.raises(BodyTooLarge):
        check_fields(body)


def test_the_caller_is_told(shared: Rpc) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        shared.infer(Request.FromString(TOO_MANY["inputs"]))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.details() == f"a message must have at most {MAX_FIELDS} fields, got more"


def _wide() -> Request:
    inputs = [Request.InferInputTensor(name=f"feature-{n}", datatype="FP32", shape=[1, 1]) for n in range(3_000)]
    return Request(model_name="m", inputs=inputs, raw_input_contents=[b"1234"] * 3_000)


def _long() -> Request:
    contents = Request.InferInputTensor(name="x_cat", datatype="BYTES", shape=[50_000, 1])
    contents.contents.bytes_contents.extend([b""] * 50_000)
    return Request(model_name="m", inputs=[contents], outputs=[Request.InferRequestedOutputTensor(name="logits")])


@pytest.mark.parametrize("make", [_wide, _long])
def test_large_requests_are_not(make: Callable[[], Request]) -> None:
    body = make().SerializeToString()
    assert len(body) > SMALL_BYTES
    check_fields(body)


@pytest.mark.parametrize(
    "end",
    [
        b"\xff",
        b"\xff" * 11,
        b"\x2a\x05",
        b"\x2b",
        b"\x09\1\2\3",
        b"\x2a\x03\x2a\x05\x00",
        b"\x08\1",
        b"\x0d1234",
        b"\x0912345678",
    ],
)
def test_what_is_no_message_is_left_to_the_parser(end: bytes) -> None:
    check_fields(within(RAW, bytes(SMALL_BYTES)) + end)
