"""Whatever strangers send: the right status, what is wrong with which row, nothing of our insides, and we go on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

JSON = {"content-type": "application/json"}
ROW = [5.1, 3.5, 1.4, 0.2]
GOOD = json.dumps({"instances": [ROW]}).encode()

Service = TestClient[Litestar]


def check_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in `answer`, once it is known to be one as RFC 9457 says, without internals."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= problem.keys()
    assert len(answer.content) < 20_000
    for word in ("Traceback", ".py", "msgspec", "litestar", "numpy", "onnx", "object at 0x", "/tmp"):
        assert word not in answer.text
    return problem


def still_serves(service: Service) -> bool:
    return bool(service.post("/predict", content=GOOD, headers=JSON).status_code == 200)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"instances":[["\xff",1,1,1]]}', 400),
        (b'\xef\xbb\xbf{"instances":[[1,1,1,1]]}', 400),
        (b'{"instances":[["\\ud800",1,1,1]]}', 400),
        (b'{"instances":' + b"[" * 250_000 + b"]" * 250_000 + b"}", 400),
        (b'{"instances":[[' + b"[" * 48 + b"]" * 48 + b",1,1,1]]}", 422),
        (b"[[1,1,1,1]]", 422),
        (b"{}", 422),
        (b'{"instances":5}', 422),
        (b'{"instances":"[[1,1,1,1]]"}', 422),
        (b'{"instances":[]}', 422),
        (b'{"instances":[[1,1,1,1]],"more":1}', 422),
        (b'{"instances":' + json.dumps([ROW] * 5001).encode() + b"}", 413),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else value,
)
def test_a_bad_body_is_a_problem(service: Service, body: bytes, status: int) -> None:
    check_problem(service.post("/predict", content=body, headers=JSON), status)
    assert still_serves(service)


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([[1, 2, 3]], [(0, None, "3")]),
        ([ROW, [1, 2, 3, 4, 5]], [(1, None, "5")]),
        ([ROW, [1, 2], [3]], [(1, None, "2"), (2, None, "1")]),
        ([ROW, []], [(1, None, "0")]),
        ([ROW, {}], [(1, None, "an object")]),
        (
            [ROW, 5, "abcd", None, True],
            [(1, None, "a number"), (2, None, "a string"), (3, None, "null"), (4, None, "a boolean")],
        ),
        ([{"sepal_length": 1, "sepal_width": 2, "petal_length": 3}], [(0, "petal_width", "nothing")]),
        (
            [{"sepal_length": 1, "sepal_width": 2, "petal_length": 3, "petal_width": 4, "hue": 5}],
            [(0, "hue", "another")],
        ),
        ([ROW, [1, "2", 3, 4]], [(1, "sepal_width", '"2"')]),
        ([[True, 2, 3, 4]], [(0, "sepal_length", "true")]),
        ([[1, 2, 3, 3.5e38]], [(0, "petal_width", "3.5e+38")]),
        ([[1, 2, [3], {"a": 4}]], [(0, "petal_length", "an array"), (0, "petal_width", "an object")]),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_rows_that_do_not_fit_are_named_with_their_features(
    service: Service, rows: list[Any], faults: list[tuple[int, str | None, str]]
) -> None:
    problem = check_problem(service.post("/predict", json={"instances": rows}), 422)
    assert problem["type"] == "urn:litet:problem:invalid-rows"
    assert [(error["row"], error.get("feature"), error["got"]) for error in problem["errors"]] == faults
    assert problem["n_errors"] == len(faults)
    assert all(error["expected"] for error in problem["errors"])
    assert still_serves(service)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_json_has_not_are_named(service: Service, literal: str) -> None:
    body = f'{{"instances":[[1,2,3,4],[1,2,{literal},4]]}}'
    problem = check_problem(service.post("/predict", content=body, headers=JSON), 422)
    (error,) = problem["errors"]
    assert (error["row"], error["feature"], error["expected"]) == (1, "petal_length", "a finite float32 number or null")


@pytest.mark.parametrize("cell", [1, True, 1.5, ["Dream"]])
def test_a_category_that_is_no_text_is_named(service: Service, cell: Any) -> None:
    answer = service.post("/models/penguins/predict", json={"instances": [[1, cell, 2, "male"]]})
    (error,) = check_problem(answer, 422)["errors"]
    assert (error["row"], error["feature"], error["expected"]) == (0, "island", "a string or null")


def test_values_too_large_for_the_model_are_refused_rather_than_answered_with_nan(service: Service) -> None:
    problem = check_problem(service.post("/predict", json={"instances": [ROW, [3e38, 3e38, 3e38, 3e38]]}), 422)
    assert problem["errors"][0]["row"] == 1


def test_thousands_of_faults_are_counted_and_the_first_spelt_out(service: Service) -> None:
    problem = check_problem(service.post("/predict", json={"instances": [["x"] * 4] * 1000}), 422)
    assert problem["n_errors"] == 4000
    assert len(problem["errors"]) == 50


def test_a_wrong_value_is_not_sent_back_whole(service: Service) -> None:
    problem = check_problem(service.post("/predict", json={"instances": [["s" * 100_000, 1, 1, 1]]}), 422)
    assert len(problem["errors"][0]["got"]) < 100


@pytest.mark.parametrize(
    "path",
    [
        "/models/nothing/predict",
        "/models/IRIS/predict",
        "/models/%2e%2e/predict",
        "/models/iris/versions/3/predict",
        "/models/iris/versions/0/predict",
        "/models/iris/versions/-1/predict",
        "/models/iris/versions/one/predict",
        "/models/iris/versions/1.0/predict",
        f"/models/iris/versions/{10**30}/predict",
        f"/models/iris/versions/{'9' * 5000}/predict",
        "/models/nothing/versions/1/predict",
        "/predict/now",
        "/nothing",
    ],
    ids=lambda path: path[:40],
)
def test_an_unknown_model_version_or_path_is_not_found(service: Service, path: str) -> None:
    check_problem(service.post(path, content=GOOD, headers=JSON), 404)
    assert still_serves(service)


def test_an_unknown_model_has_no_page(service: Service) -> None:
    check_problem(service.get("/models/nothing"), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/predict"), ("PUT", "/models/iris/predict"), ("POST", "/models")]
)
def test_a_wrong_method_is_told_the_right_ones(service: Service, method: str, path: str) -> None:
    answer = service.request(method, path)
    assert check_problem(answer, 405)["detail"] == "the path must be asked with a method that it allows"
    allowed = set(answer.headers["allow"].split(", "))
    assert allowed == ({"GET", "OPTIONS"} if path == "/models" else {"POST", "OPTIONS"})


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "",
        "json",
    ],
)
def test_another_content_type_is_refused(service: Service, content_type: str) -> None:
    check_problem(service.post("/predict", content=GOOD, headers={"content-type": content_type}), 415)


def test_a_missing_content_type_is_refused(service: Service) -> None:
    check_problem(service.post("/predict", content=GOOD), 415)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
def test_a_content_type_may_have_parameters(service: Service, content_type: str) -> None:
    assert service.post("/predict", content=GOOD, headers={"content-type": content_type}).status_code == 200


@pytest.mark.parametrize("encoding", ["br", "identity, gzip", "gzip, gzip", "x"])
def test_a_body_in_another_encoding_is_refused(service: Service, encoding: str) -> None:
    answer = service.post("/predict", content=gzip.compress(GOOD), headers={**JSON, "content-encoding": encoding})
    check_problem(answer, 415)


def test_an_identity_encoding_is_none(service: Service) -> None:
    assert service.post("/predict", content=GOOD, headers={**JSON, "content-encoding": "Identity"}).status_code == 200


def test_a_body_that_declares_too_many_bytes_is_refused_unread(service: Service) -> None:
    answer = service.post("/predict", content=GOOD, headers={**JSON, "content-length": str(10 * 2**30)})
    problem = check_problem(answer, 413)
    assert str(2 * 2**20) in problem["detail"]


def test_a_body_of_too_many_bytes_is_refused_as_it_comes(service: Service) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    check_problem(service.post("/predict", content=chunks(), headers=JSON), 413)
    assert still_serves(service)


def test_a_host_header_that_is_none_is_a_problem(service: Service) -> None:
    check_problem(service.get("/models", headers={"host": "a b"}), 400)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("Dream")
ROWS = st.lists(CELLS, max_size=5) | st.fixed_dictionaries(
    {"bill_mm": CELLS, "island": CELLS, "mass_g": CELLS, "sex": CELLS}
)
BODIES = (
    st.binary(max_size=200)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | JSON_VALUES.map(lambda value: json.dumps({"instances": value}).encode())
    | st.lists(ROWS, max_size=5).map(lambda rows: json.dumps({"instances": rows}).encode())
)


@given(body=BODIES, name=st.sampled_from(["iris", "penguins", "digits", "flags"]))
def test_no_body_is_ever_answered_with_a_fault_of_ours(service: Service, body: bytes, name: str) -> None:
    answer = service.post(f"/models/{name}/predict", content=body, headers=JSON)
    assert answer.status_code in (200, 400, 422)
    if answer.status_code != 200:
        check_problem(answer, answer.status_code)
    else:
        assert "NaN" not in answer.text
        assert "null" not in answer.text
