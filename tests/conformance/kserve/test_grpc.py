"""KServe's InferenceGRPCClient, which sends typed contents where it is given lists, and raw ones for arrays."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferInput, InferRequest, InferResponse
from kserve.utils.numpy_codec import from_np_dtype

from tests.conformance.native import BIRDS, FLOWERS, x_cat, x_num

pytestmark = pytest.mark.anyio
OUTPUTS = ("logits", "probabilities", "class_index")
TYPED = [np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")]


@pytest.fixture
async def client(live):
    async with InferenceGRPCClient(live.grpc_address, retries=0) as client:
        yield client


def given(name: str, array: np.ndarray, *, raw: bool) -> InferInput:
    one = InferInput(name, list(array.shape), from_np_dtype(array.dtype))
    one.set_data_from_numpy(array, binary_data=raw)
    return one


def outputs_of(response: InferResponse) -> list[np.ndarray]:
    outputs = {output.name: output for output in response.outputs}
    return [outputs[name].as_numpy() for name in OUTPUTS]


@pytest.mark.parametrize("raw", [True, False])
async def test_numbers_get_the_answers_of_our_own_route(client, native, raw):
    inputs = [given("x_num", np.array(FLOWERS, np.float32), raw=raw)]
    response = await client.infer(InferRequest("iris", inputs, request_id="7"))
    native.answers("iris", FLOWERS).check(*outputs_of(response))
    assert (response.id, response.model_name, response.model_version) == ("7", "iris", "1")


@pytest.mark.parametrize("raw", [True, False])
async def test_texts_and_missing_cells_get_the_answers_of_our_own_route(client, native, raw):
    inputs = [given("x_num", x_num(BIRDS), raw=raw), given("x_cat", x_cat(BIRDS), raw=raw)]
    native.answers("birds", BIRDS).check(*outputs_of(await client.infer(InferRequest("birds", inputs))))


@pytest.mark.parametrize("dtype", TYPED, ids=str)
async def test_typed_contents_of_every_datatype_are_numbers(client, native, dtype):
    rows = np.array([[1, 0, 1, 1], [0, 0, 1, 0]]).astype(dtype)
    response = await client.infer(InferRequest("iris", [given("x_num", rows, raw=False)]))
    native.answers("iris", rows.astype(int).tolist()).check(*outputs_of(response))


async def test_each_feature_may_be_an_input_of_its_own(client, native):
    texts = x_cat(BIRDS)
    inputs = [
        given("tame", np.array([row[4] for row in BIRDS]), raw=False),
        given("ring", np.array([row[3] for row in BIRDS], np.int64), raw=False),
        given("place", texts[:, 0], raw=False),
        given("wing", x_num(BIRDS)[:, 0], raw=False),
        given("tail", x_num(BIRDS)[:, 1], raw=False),
    ]
    native.answers("birds", BIRDS).check(*outputs_of(await client.infer(InferRequest("birds", inputs))))


async def test_a_version_of_its_own_answers(client, native):
    inputs = [given("x_num", x_num(BIRDS), raw=True), given("x_cat", x_cat(BIRDS), raw=True)]
    response = await client.infer(InferRequest("birds", inputs, model_version="2"))
    native.answers("birds", BIRDS, 2).check(*outputs_of(response))


async def test_the_server_and_its_models_live_and_are_ready(client):
    assert await client.is_server_live() is True
    assert await client.is_server_ready() is True
    assert await client.is_model_ready("birds") is True


async def test_an_unknown_model_is_not_ready_and_not_found(client):
    assert await client.is_model_ready("no-such-model") is False
    inputs = [given("x_num", np.array(FLOWERS, np.float32), raw=True)]
    with pytest.raises(grpc.aio.AioRpcError, match="no-such-model") as refused:
        await client.infer(InferRequest("no-such-model", inputs))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("n_numbers", [3, 5])
async def test_another_number_of_elements_than_the_shape_says_is_refused(client, n_numbers):
    one = InferInput("x_num", [1, 4], "FP32", data=[1.0] * n_numbers)
    with pytest.raises(grpc.aio.AioRpcError, match="4 elements") as refused:
        await client.infer(InferRequest("iris", [one]))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
