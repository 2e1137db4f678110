"""Bodies that tritonclient makes and reads while another library sends them, and bodies that no client makes."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferRequestedOutput

from tests.conformance.native import BIRDS, FLOWERS, same, x_cat, x_num
from tests.conformance.tensors import OUTPUTS, birds, given, outputs_of

JSON_BYTES = "Inference-Header-Content-Length"
INFER = "/v2/models/iris/infer"
COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress}
BOMB_BYTES = 512 * 2**20


def flat(rows: list[list[Any]]) -> list[Any]:
    return [cell for row in rows for cell in row]


def flowers(**changes: Any) -> dict[str, Any]:
    one = {"name": "x_num", "shape": [3, 4], "datatype": "FP32", "data": FLOWERS}
    return {"inputs": [{name: value for name, value in {**one, **changes}.items() if value is not None}]}


def check(answers: Any, response: httpx.Response) -> None:
    """That a response holds these answers, as JSON or as bytes."""
    assert response.status_code == 200, response.text
    n_json = response.headers.get(JSON_BYTES)
    assert response.headers["content-type"] == ("application/octet-stream" if n_json else "application/json")
    # What httpx has decompressed needs no encoding named.
    result = InferenceServerClient.parse_response_body(response.content, header_length=n_json and int(n_json))
    answers.check(*outputs_of(result))


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("content_type", [None, "application/octet-stream"])
def test_bodies_of_tritonclient_can_be_sent_with_another_library(http, native, content_type, binary_in, binary_out):
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
    body, n_json = InferenceServerClient.generate_request_body(birds(binary=binary_in), outputs=outputs)
    headers = {JSON_BYTES: str(n_json)} if n_json else {}
    headers |= {"Content-Type": content_type} if content_type else {}
    response = http.post("/v2/models/birds/infer", content=body, headers=headers)
    check(native.answers("birds", BIRDS), response)
    assert (JSON_BYTES in response.headers) == binary_out


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_compressed_answer_can_be_read_by_tritonclient(http, native, encoding):
    rows = FLOWERS * 300
    body, n_json = InferenceServerClient.generate_request_body([given("x_num", np.array(rows, np.float32))])
    headers = {JSON_BYTES: str(n_json), "Accept-Encoding": encoding}
    with http.stream("POST", INFER, content=body, headers=headers) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == encoding
    assert response.headers["content-length"] == str(len(raw))
    result = InferenceServerClient.parse_response_body(
        raw, header_length=int(response.headers[JSON_BYTES]), content_encoding=encoding
    )
    native.answers("iris", rows).check(*outputs_of(result))


@pytest.mark.parametrize("data", [FLOWERS, flat(FLOWERS)], ids=["nested", "flat"])
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_data_may_be_nested_or_flat(http, native, datatype, data):
    rows = np.array(FLOWERS, np.float16 if datatype == "FP16" else np.float64).tolist()
    check(native.answers("iris", rows), http.post(INFER, json=flowers(datatype=datatype, data=data)))


def test_texts_may_be_nested_or_flat_and_null_where_missing(http, native):
    texts = x_cat(BIRDS).tolist()
    nulls = [[text or None for text in row] for row in texts]
    numbers = [[None if np.isnan(number) else number for number in row] for row in x_num(BIRDS).tolist()]
    for data in texts, flat(texts), nulls, flat(nulls):
        inputs = [
            {"name": "x_cat", "shape": [5, 3], "datatype": "BYTES", "data": data},
            {"name": "x_num", "shape": [5, 2], "datatype": "FP32", "data": numbers},
        ]
        check(native.answers("birds", BIRDS), http.post("/v2/models/birds/infer", json={"inputs": inputs}))


@pytest.mark.parametrize("shape", [[5], [5, 1]])
def test_columns_may_be_sent_as_they_are_in_a_table(http, native, shape):
    datatypes = {"tame": "BOOL", "ring": "INT64", "place": "BYTES", "wing": "FP64", "tail": "FP64"}
    cells = dict(zip(("wing", "tail", "place", "ring", "tame"), zip(*BIRDS, strict=True), strict=True))
    inputs = [
        {"name": name, "shape": shape, "datatype": datatype, "data": list(cells[name])}
        for name, datatype in datatypes.items()
    ]
    check(native.answers("birds", BIRDS), http.post("/v2/models/birds/infer", json={"inputs": inputs}))


@pytest.mark.parametrize("name", ["ring", "tame"])
def test_integers_and_booleans_for_categories_may_be_missing(http, native, name):
    datatypes = {"tame": "BOOL", "ring": "INT32", "place": "BYTES", "wing": "FP64", "tail": "FP64"}
    row = dict(zip(("wing", "tail", "place", "ring", "tame"), BIRDS[0], strict=True)) | {name: None}
    inputs = [
        {"name": feature, "shape": [1], "datatype": datatype, "data": [row[feature]]}
        for feature, datatype in datatypes.items()
    ]
    check(native.answers("birds", [list(row.values())]), http.post("/v2/models/birds/infer", json={"inputs": inputs}))


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "application/json"])
def test_a_body_without_json_is_one_row_of_numbers(http, native, content_type):
    headers = {JSON_BYTES: "0"} | ({"Content-Type": content_type} if content_type else {})
    body = np.array(FLOWERS[0], "<f4").tobytes()
    response = http.post(INFER, content=body, headers=headers)
    assert JSON_BYTES in response.headers
    check(native.answers("iris", FLOWERS[:1]), response)


def test_all_outputs_may_be_asked_for_in_binary_at_once(http, native):
    request = flowers() | {"parameters": {"binary_data_output": True}}
    response = http.post(INFER, json=request)
    check(native.answers("iris", FLOWERS), response)
    assert JSON_BYTES in response.headers


def test_an_output_may_differ_from_what_is_asked_for_all(http, native):
    outputs = [{"name": "logits"}, {"name": "probabilities", "parameters": {"binary_data": False}}]
    request = flowers() | {"parameters": {"binary_data_output": True}, "outputs": outputs}
    response = http.post(INFER, json=request)
    assert response.status_code == 200
    result = InferenceServerClient.parse_response_body(
        response.content, header_length=int(response.headers[JSON_BYTES])
    )
    answers = native.answers("iris", FLOWERS)
    assert "data" not in result.get_output("logits")
    assert "data" in result.get_output("probabilities")
    assert same(result.as_numpy("logits"), answers.logits)
    assert same(result.as_numpy("probabilities"), answers.probabilities)


def test_members_that_are_not_known_are_ignored(http, native):
    request = flowers(parameters={"content_type": "np"}) | {"model_name": "other", "parameters": {"mode": ["fast"]}}
    check(native.answers("iris", FLOWERS), http.post(f"{INFER}?explain=1&explain=2", json=request))


@pytest.mark.parametrize("accepted", ["br", "identity", "gzip;q=0, deflate;q=0", "gzip;q=0", "*;q=0, identity"])
def test_an_answer_is_not_compressed_in_a_way_that_was_not_named(http, native, accepted):
    request = flowers(shape=[900, 4], data=FLOWERS * 300)
    response = http.post(INFER, json=request, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in response.headers
    check(native.answers("iris", FLOWERS * 300), response)


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_who_it_is_with_and_without_a_slash(http, path):
    response = http.get(path)
    assert (response.status_code, response.json()["name"]) == (200, "litet")


def test_the_models_can_be_listed(http):
    assert {"birds", "iris"} <= set(http.get("/v2/models").json()["models"])
    assert {"birds", "iris"} <= set(http.get("/v1/models").json()["models"])


def test_the_index_can_be_asked_for_what_is_ready_only(http, live):
    ready = http.post("/v2/repository/index", json={"ready": True}, headers=live.admin).json()
    assert {one["state"] for one in ready} == {"READY"}
    assert {"birds", "iris"} <= {one["name"] for one in ready}
