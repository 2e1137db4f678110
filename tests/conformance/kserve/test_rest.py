"""KServe's InferenceRESTClient, with version 1 and version 2 of the protocol."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferOutput, InferRequest, InferResponse, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.numpy_codec import from_np_dtype

from tests.conformance.native import BIRD_FEATURES, BIRDS, FLOWERS, x_cat, x_num

pytestmark = pytest.mark.anyio
OUTPUTS = ("logits", "probabilities", "class_index")
DTYPES = [np.dtype(code) for code in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")]


@pytest.fixture
async def v1():
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        yield client


@pytest.fixture
async def v2():
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        yield client


def given(name: str, array: np.ndarray, *, binary: bool = True) -> InferInput:
    one = InferInput(name, list(array.shape), from_np_dtype(array.dtype))
    one.set_data_from_numpy(array, binary_data=binary)
    return one


def flowers(rows: Any = FLOWERS, dtype: Any = np.float32, *, binary: bool = True, **options: Any) -> InferRequest:
    return InferRequest("iris", [given("x_num", np.array(rows, dtype), binary=binary)], **options)


def birds(*, binary: bool = True) -> InferRequest:
    inputs = [given("x_num", x_num(BIRDS), binary=binary), given("x_cat", x_cat(BIRDS), binary=binary)]
    return InferRequest("birds", inputs)


def outputs_of(response: InferResponse) -> list[np.ndarray]:
    outputs: dict[str, InferOutput] = {output.name: output for output in response.outputs}
    return [outputs[name].as_numpy() for name in OUTPUTS]


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
async def test_v2_numbers_get_the_answers_of_our_own_route(v2, live, native, binary_in, binary_out):
    request = flowers(binary=binary_in, request_id="7", parameters={"binary_data_output": binary_out})
    response = await v2.infer(live.url, request, model_name="iris")
    native.answers("iris", FLOWERS).check(*outputs_of(response))
    assert (response.id, response.model_name) == ("7", "iris")


@pytest.mark.parametrize("binary", [True, False])
async def test_v2_texts_and_missing_cells_get_the_answers_of_our_own_route(v2, live, native, binary):
    response = await v2.infer(live.url, birds(binary=binary), model_name="birds")
    native.answers("birds", BIRDS).check(*outputs_of(response))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
async def test_v2_numbers_of_every_datatype_are_numbers(v2, live, native, dtype):
    rows = np.array([[1, 0, 1, 1], [0, 0, 1, 0]]).astype(dtype)
    # Half precision its client sends in binary only.
    for binary in [True] if dtype.name == "float16" else [True, False]:
        response = await v2.infer(live.url, flowers(rows, dtype, binary=binary), model_name="iris")
        native.answers("iris", rows.astype(int).tolist()).check(*outputs_of(response))


async def test_v2_outputs_can_be_chosen_each_in_its_way(v2, live, native):
    wanted = [RequestedOutput("class_index", {"binary_data": False}), RequestedOutput("logits", {"binary_data": True})]
    response = await v2.infer(live.url, flowers(request_outputs=wanted), model_name="iris")
    assert [output.name for output in response.outputs] == ["class_index", "logits"]
    answers = native.answers("iris", FLOWERS)
    assert response.outputs[0].data == answers.class_index.tolist()
    assert response.outputs[1].as_numpy().tobytes() == answers.logits.tobytes()


@pytest.mark.parametrize("binary", [True, False])
async def test_v2_classification_names_the_best_class(v2, live, native, binary):
    wanted = [RequestedOutput("probabilities", {"classification": 1, "binary_data": binary})]
    response = await v2.infer(live.url, flowers(request_outputs=wanted), model_name="iris")
    labels = [text.split(":")[2] for text in response.outputs[0].data]
    assert labels == native.answers("iris", FLOWERS).labels


async def test_v2_requests_may_be_plain_dictionaries(v2, live, native):
    request = {"inputs": [{"name": "x_num", "shape": [3, 4], "datatype": "FP32", "data": FLOWERS}]}
    response = await v2.infer(live.url, request, model_name="iris")
    native.answers("iris", FLOWERS).check(*outputs_of(response))


async def test_v2_the_server_lives_and_is_ready(v2, live):
    assert await v2.is_server_live(live.url) is True
    assert await v2.is_server_ready(live.url) is True


async def test_v2_models_are_ready_or_not(v2, live):
    assert await v2.is_model_ready(live.url, "birds") is True
    assert await v2.is_model_ready(live.url, "no-such-model") is False


@pytest.mark.parametrize("by_name", [True, False])
async def test_v1_rows_get_the_answers_of_our_own_route(v1, live, native, by_name):
    rows = [dict(zip(BIRD_FEATURES, row, strict=True)) for row in BIRDS] if by_name else BIRDS
    request = {"instances": rows, "signature_name": "serving_default", "parameters": {"any": 1}}
    response = await v1.infer(live.url, request, model_name="birds")
    assert list(response) == ["predictions"]
    answers = native.answers("birds", BIRDS)
    predictions = response["predictions"]
    assert [one["label"] for one in predictions] == answers.labels
    answers.check(
        np.array([one["logits"] for one in predictions], np.float32),
        np.array([one["probabilities"] for one in predictions], np.float32),
        np.array([one["class_index"] for one in predictions], np.int64),
    )


async def test_v1_the_server_lives(v1, live):
    assert await v1.is_server_live(live.url) is True


async def test_v1_models_are_ready(v1, live):
    assert await v1.is_model_ready(live.url, "birds") is True


async def test_v1_an_unloaded_model_is_not_ready(v1, live, http):
    try:
        http.post("/v2/repository/models/spare/unload", headers=live.admin).raise_for_status()
        assert await v1.is_model_ready(live.url, "spare") is False
    finally:
        http.post("/v2/repository/models/spare/load", headers=live.admin).raise_for_status()
    assert await v1.is_model_ready(live.url, "spare") is True


async def test_v1_an_unknown_model_is_an_error(v1, live):
    with pytest.raises(httpx.HTTPStatusError, match=r"no-such-model.*404 Not Found"):
        await v1.is_model_ready(live.url, "no-such-model")
    with pytest.raises(httpx.HTTPStatusError, match=r"no-such-model.*404 Not Found"):
        await v1.infer(live.url, {"instances": FLOWERS}, model_name="no-such-model")


async def test_v1_rows_that_do_not_fit_are_refused_in_our_words(v1, live):
    with pytest.raises(httpx.HTTPStatusError, match="400 Bad Request") as refused:
        await v1.infer(live.url, {"instances": [[1.0, 2.0]]}, model_name="iris")
    assert str(refused.value).startswith(refused.value.response.json()["error"])


async def test_v2_an_unknown_input_is_refused_in_our_words(v2, live):
    request = InferRequest("iris", [given("x", np.zeros((1, 4), np.float32))])
    with pytest.raises(httpx.HTTPStatusError, match="400 Bad Request") as refused:
        await v2.infer(live.url, request, model_name="iris")
    assert str(refused.value).startswith("inputs must be x_num, or one for each feature; got x, '400 Bad Request'")


async def test_v2_an_unknown_model_is_refused_in_our_words(v2, live):
    with pytest.raises(httpx.HTTPStatusError, match=r"no-such-model.*404 Not Found"):
        await v2.infer(live.url, flowers(), model_name="no-such-model")
