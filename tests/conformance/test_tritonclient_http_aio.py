"""tritonclient.http.aio, its asyncio client (aiohttp, no gevent)."""

from __future__ import annotations

import asyncio
import gc

import numpy as np
import pytest
from tritonclient.http import InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tests.conformance.native import BIRDS, FLOWERS
from tests.conformance.tensors import OUTPUTS, birds, flowers, given, outputs_of

pytestmark = [
    pytest.mark.anyio,
    # Its questions about health and readiness leave the answers unread, and so their connections to the collector.
    pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning"),
]
AT_ONCE = 20


@pytest.fixture
async def client(live):
    async with InferenceServerClient(live.address) as client:
        yield client
    gc.collect()


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
async def test_numbers_get_the_answers_of_our_own_route(client, native, binary_in, binary_out):
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
    result = await client.infer("iris", flowers(binary=binary_in), outputs=outputs)
    native.answers("iris", FLOWERS).check(*outputs_of(result))


@pytest.mark.parametrize("binary", [True, False])
async def test_texts_and_missing_cells_get_the_answers_of_our_own_route(client, native, binary):
    native.answers("birds", BIRDS).check(*outputs_of(await client.infer("birds", birds(binary=binary))))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_bodies_may_be_compressed_both_ways(client, native, encoding):
    rows = FLOWERS * 300
    result = await client.infer(
        "iris", flowers(rows), request_compression_algorithm=encoding, response_compression_algorithm=encoding
    )
    native.answers("iris", rows).check(*outputs_of(result))


async def test_classification_names_the_best_classes(client, native):
    result = await client.infer("iris", flowers(), outputs=[InferRequestedOutput("probabilities", class_count=1)])
    labels = [text.decode().split(":")[2] for text in result.as_numpy("probabilities").ravel()]
    assert labels == native.answers("iris", FLOWERS).labels


async def test_a_version_and_an_id_come_back(client, native):
    result = await client.infer(
        "birds", birds(), model_version="2", request_id="bird 2", query_params={"tag": ["a", "b"]}, parameters={"n": 1}
    )
    native.answers("birds", BIRDS, 2).check(*outputs_of(result))
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("bird 2", "birds", "2")


async def test_twenty_requests_at_once_get_their_own_answers(client, native):
    rows = [[[4 + i / 8, 3.0, 1 + i / 4, i / 8]] for i in range(AT_ONCE)]
    results = await asyncio.gather(
        *(client.infer("iris", flowers(row), request_id=str(i)) for i, row in enumerate(rows))
    )
    for i, (result, row) in enumerate(zip(results, rows, strict=True)):
        assert result.get_response()["id"] == str(i)
        native.answers("iris", row).check(*outputs_of(result))


async def test_the_server_and_its_models_live_and_are_ready(client):
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("birds", "2")
    assert not await client.is_model_ready("no-such-model")


async def test_metadata_configuration_and_statistics_are_there(client):
    assert (await client.get_server_metadata())["name"] == "litet"
    assert (await client.get_model_metadata("birds"))["versions"] == ["1", "2"]
    assert (await client.get_model_config("birds"))["max_batch_size"] == 10_000
    await client.infer("iris", flowers())
    assert (await client.get_inference_statistics("iris"))["model_stats"][0]["name"] == "iris"


async def test_the_repository_opens_with_the_key_only(client, live):
    with pytest.raises(InferenceServerException, match="key") as refused:
        await client.get_model_repository_index()
    assert refused.value.status() == "401"
    index = await client.get_model_repository_index(headers=live.admin)
    assert {"iris", "birds", "spare"} <= {one["name"] for one in index}


async def test_a_model_can_be_unloaded_and_loaded(client, live):
    try:
        await client.unload_model("spare", headers=live.admin)
        assert not await client.is_model_ready("spare")
    finally:
        await client.load_model("spare", headers=live.admin)
    assert await client.is_model_ready("spare")


async def test_a_refusal_is_an_exception_with_our_words(client):
    with pytest.raises(InferenceServerException) as refused:
        await client.infer("iris", [given("x", np.zeros((1, 4), np.float32))])
    assert refused.value.status() == "400"
    assert refused.value.message() == "inputs must be x_num, or one for each feature; got x"
