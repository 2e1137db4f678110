"""What no client sends: how it is refused, and in which words."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from tests.conformance.live import MAX_BODY_BYTES
from tests.conformance.native import FLOWERS

JSON_BYTES = "Inference-Header-Content-Length"
INFER = "/v2/models/iris/infer"
COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress}
BOMB_BYTES = 512 * 2**20


def flowers(**changes: Any) -> dict[str, Any]:
    one = {"name": "x_num", "shape": [3, 4], "datatype": "FP32", "data": FLOWERS}
    return {"inputs": [{name: value for name, value in {**one, **changes}.items() if value is not None}]}


def error(response: httpx.Response) -> str:
    """What a refusal says."""
    assert response.headers["content-type"] == "application/json"
    (message,) = response.json().values()
    assert list(response.json()) == ["error"]
    return message


@pytest.mark.parametrize("n_bytes", [0, 4, 15, 17, 32])
def test_a_body_without_json_must_be_one_whole_row(http, n_bytes):
    response = http.post(INFER, content=bytes(n_bytes), headers={JSON_BYTES: "0"})
    assert response.status_code == 400
    assert "one row of 4 float32" in error(response)


def test_a_body_without_json_cannot_hold_texts(http):
    response = http.post("/v2/models/birds/infer", content=bytes(8), headers={JSON_BYTES: "0"})
    assert response.status_code == 400
    assert "numeric features only" in error(response)


@pytest.mark.parametrize("n_json", ["-1", "one", "1e3", "99999", "9" * 40, "", "2"])
def test_a_wrong_length_of_json_is_refused(http, n_json):
    response = http.post(INFER, content=json.dumps(flowers()).encode(), headers={JSON_BYTES: n_json})
    assert response.status_code == 400
    assert error(response)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"inputs": {}}',
        b'{"inputs": [1]}',
        b'{"inputs": [{"name": "x_num"}]}',
        b"[" * 100_000,
        json.dumps(flowers(data=None)).encode(),
        json.dumps(flowers(data=[])).encode(),
        json.dumps(flowers(data=[[FLOWERS]])).encode(),
        json.dumps(flowers(data=FLOWERS[:2])).encode(),
        json.dumps(flowers(data=[["5.1"] * 4] * 3)).encode(),
        json.dumps(flowers(data=[{}] * 12)).encode(),
        json.dumps(flowers(shape=[-1, 4])).encode(),
        json.dumps(flowers(shape=[0, 4], data=[])).encode(),
        json.dumps(flowers(shape=[2**62, 4])).encode(),
        json.dumps(flowers(shape=[3, 4, 0])).encode(),
        json.dumps(flowers(shape="3,4")).encode(),
        json.dumps(flowers(datatype="fp32")).encode(),
        json.dumps(flowers(datatype="INT8", data=[[300] * 4] * 3)).encode(),
        json.dumps(flowers(datatype="UINT8", data=[[-1] * 4] * 3)).encode(),
        json.dumps(flowers(datatype="INT32", data=[[0.5] * 4] * 3)).encode(),
        json.dumps(flowers(datatype="BOOL", data=[[2] * 4] * 3)).encode(),
        json.dumps(flowers(parameters={"binary_data_size": 48})).encode(),
        json.dumps(flowers() | {"id": 7}).encode(),
        json.dumps(flowers() | {"outputs": [{}]}).encode(),
        json.dumps(flowers() | {"outputs": [{"name": "logits", "parameters": {"classification": -1}}]}).encode(),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(http, body):
    response = http.post(INFER, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 413}
    assert error(response)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_page_elsewhere_could_send_is_refused(http, content_type):
    response = http.post(INFER, content=json.dumps(flowers()).encode(), headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert "Content-Type" in error(response)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_bomb_is_refused_and_the_service_lives(http, encoding):
    packer = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15}[encoding])
    zeros = bytes(2**20)
    bomb = b"".join(packer.compress(zeros) for _chunk in range(BOMB_BYTES // len(zeros))) + packer.flush()
    assert len(bomb) < MAX_BODY_BYTES
    for path in INFER, "/v1/models/iris:predict", "/predict":
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        response = http.post(path, content=bomb, headers=headers)
        assert response.status_code == 413
        assert str(MAX_BODY_BYTES) in response.text
    assert http.post(INFER, json=flowers()).status_code == 200


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("harm", [lambda body: body[:-1], lambda body: body + b"x", lambda body: b"x" + body])
def test_a_damaged_compressed_body_is_refused(http, encoding, harm):
    body = harm(COMPRESS[encoding](json.dumps(flowers()).encode()))
    response = http.post(INFER, content=body, headers={"Content-Encoding": encoding})
    assert response.status_code == 400
    assert encoding in error(response)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_another_encoding_is_refused(http, encoding):
    body = json.dumps(flowers()).encode()
    response = http.post(INFER, content=body, headers={"Content-Encoding": encoding})
    assert response.status_code == 415
    assert "Content-Encoding" in error(response)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/iris/infer", 405),
        ("POST", "/v2/models/iris", 405),
        ("DELETE", "/v2", 405),
        ("GET", "/v2/models/iris/explain", 404),
        ("GET", "/v2/no/such/path", 404),
        ("GET", "/v2/models/no-such-model", 404),
        ("GET", "/v1/models/no-such-model", 404),
        ("GET", "/v1/no/such/path", 404),
        ("PUT", "/v1/models/iris", 405),
    ],
)
def test_whatever_is_wrong_is_said_in_the_words_of_the_protocol(http, method, path, status):
    response = http.request(method, path)
    assert response.status_code == status
    assert error(response)
