"""tritonclient.grpc.aio, its asyncio client."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.conformance.native import BIRDS, FLOWERS, x_cat, x_num

pytestmark = pytest.mark.anyio
OUTPUTS = ("logits", "probabilities", "class_index")
AT_ONCE = 20


@pytest.fixture
async def client(live):
    async with InferenceServerClient(live.grpc_address) as client:
        yield client


def given(name: str, array: np.ndarray) -> InferInput:
    return InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)


def flowers(rows: Any = FLOWERS) -> list[InferInput]:
    return [given("x_num", np.array(rows, np.float32))]


def outputs_of(result: InferResult) -> list[np.ndarray]:
    return [result.as_numpy(name) for name in OUTPUTS]


async def test_numbers_get_the_answers_of_our_own_route(client, native):
    native.answers("iris", FLOWERS).check(*outputs_of(await client.infer("iris", flowers())))


async def test_texts_and_missing_cells_get_the_answers_of_our_own_route(client, native):
    result = await client.infer("birds", [given("x_num", x_num(BIRDS)), given("x_cat", x_cat(BIRDS))])
    native.answers("birds", BIRDS).check(*outputs_of(result))


async def test_classification_names_the_best_class(client, native):
    result = await client.infer("iris", flowers(), outputs=[InferRequestedOutput("logits", class_count=1)])
    labels = [text.decode().split(":")[2] for text in result.as_numpy("logits").ravel()]
    assert labels == native.answers("iris", FLOWERS).labels


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_messages_may_be_compressed(client, native, algorithm):
    rows = FLOWERS * 300
    result = await client.infer("iris", flowers(rows), compression_algorithm=algorithm)
    native.answers("iris", rows).check(*outputs_of(result))


async def test_twenty_requests_at_once_get_their_own_answers(client, native):
    rows = [[[4 + i / 8, 3.0, 1 + i / 4, i / 8]] for i in range(AT_ONCE)]
    results = await asyncio.gather(
        *(client.infer("iris", flowers(row), request_id=str(i)) for i, row in enumerate(rows))
    )
    for i, (result, row) in enumerate(zip(results, rows, strict=True)):
        assert result.get_response().id == str(i)
        native.answers("iris", row).check(*outputs_of(result))


async def test_health_and_metadata_are_there(client):
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("birds", "2")
    assert (await client.get_server_metadata()).name == "litet"
    assert list((await client.get_model_metadata("birds")).versions) == ["1", "2"]


async def test_a_refusal_is_an_exception_with_our_words(client):
    with pytest.raises(InferenceServerException) as refused:
        await client.infer("iris", [given("x", np.zeros((1, 4), np.float32))])
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert refused.value.message() == "inputs must be x_num, or one for each feature; got x"
