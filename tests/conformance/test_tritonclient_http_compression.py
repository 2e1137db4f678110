"""tritonclient.http, its synchronous client: bodies compressed both ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tritonclient.http import InferenceServerClient, InferRequestedOutput

from tests.conformance.live import Live
from tests.conformance.native import FLOWERS
from tests.conformance.tensors import OUTPUTS, flowers, outputs_of


@pytest.fixture
def client(live: Live) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(live.address) as client:
        yield client


@pytest.mark.parametrize("answer", [None, "gzip", "deflate"])
@pytest.mark.parametrize("request_", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_bodies_may_be_compressed_both_ways(client, native, request_, answer, binary):
    rows = FLOWERS * 300
    headers = record_headers(client)
    outputs = [InferRequestedOutput(name, binary_data=binary) for name in OUTPUTS]
    result = client.infer(
        "iris",
        flowers(rows, binary=binary),
        outputs=outputs,
        request_compression_algorithm=request_,
        response_compression_algorithm=answer,
    )
    native.answers("iris", rows).check(*outputs_of(result))
    assert headers[0].get("content-encoding") == answer


def test_small_answers_are_not_compressed(client, native):
    headers = record_headers(client)
    result = client.infer("iris", flowers(), response_compression_algorithm="gzip")
    native.answers("iris", FLOWERS).check(*outputs_of(result))
    assert headers[0].get("content-encoding") is None


def record_headers(client: InferenceServerClient) -> list[Any]:
    """The headers of each response to come, which the client itself does not show."""
    responses: list[Any] = []
    post = client._client_stub.post

    def recording(*arguments: Any, **options: Any) -> Any:
        response = post(*arguments, **options)
        responses.append(response)
        return response

    client._client_stub.post = recording
    return responses
