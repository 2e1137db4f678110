"""The protocol's `infer` answers what the same rows get from our own route."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

Service = TestClient[Litestar]

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
PENGUINS = [[40.5, "Dream", 4000, "male"], [None, "Torgersen", 3700.25, None], [39.0, "Élysée", None, ""]]
FLAT = [number for row in ROWS for number in row]
DTYPES = {
    "BOOL": "?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


def x_num(data: Any, shape: list[int] | None = None, datatype: str = "FP32") -> dict[str, Any]:
    return {"name": "x_num", "datatype": datatype, "shape": shape or [len(data) // 4, 4], "data": data}


def infer(service: Service, *inputs: dict[str, Any], model: str = "iris", **members: Any) -> dict[str, Any]:
    answer = service.post(f"/v2/models/{model}/infer", json={"inputs": inputs, **members})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    return body


def refused(service: Service, *inputs: dict[str, Any], model: str = "iris", status: int = 400, **members: Any) -> str:
    answer = service.post(f"/v2/models/{model}/infer", json={"inputs": inputs, **members})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.json()) == ["error"]
    error: str = answer.json()["error"]
    return error


def native(service: Service, rows: list[Any], model: str = "iris") -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = service.post(f"/models/{model}/predict", json={"instances": rows}).json()[
        "predictions"
    ]
    return predictions


def assert_same(body: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
    outputs = {output["name"]: output for output in body["outputs"]}
    assert list(outputs) == ["logits", "probabilities", "class_index"]
    for name, output in outputs.items():
        expected = np.array([prediction[name] for prediction in predictions])
        assert output["datatype"] == ("INT64" if name == "class_index" else "FP32")
        assert output["shape"] == list(expected.shape)
        assert output["data"] == expected.ravel().tolist()


@pytest.mark.parametrize("data", [ROWS, FLAT])
def test_data_may_be_nested_or_flat(service: Service, data: list[Any]) -> None:
    body = infer(service, x_num(data, [2, 4]), id="mine", parameters={"priority": 1, "anything": [{}]})
    assert (body["model_name"], body["model_version"], body["id"]) == ("iris", "1", "mine")
    assert_same(body, native(service, ROWS))


def test_an_answer_has_an_id_only_where_the_request_has_one(service: Service) -> None:
    assert "id" not in infer(service, x_num(FLAT))
    assert infer(service, x_num(FLAT), id='"é\n%d')["id"] == '"é\n%d'


def test_a_version_is_answered_by_its_number(service: Service) -> None:
    answers = [
        service.post(f"/v2/models/iris/versions/{version}/infer", json={"inputs": [x_num(FLAT)]}).json()
        for version in (1, 2)
    ]
    assert [answer["model_version"] for answer in answers] == ["1", "2"]
    assert answers[0]["outputs"] != answers[1]["outputs"]


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("is_binary", [False, True])
@pytest.mark.parametrize("by_feature", [False, True])
def test_numbers_may_be_of_any_datatype(service: Service, datatype: str, is_binary: bool, by_feature: bool) -> None:
    array = np.array(ROWS).astype(DTYPES[datatype])
    features = [name["name"] for name in service.get("/models/iris").json()["features"]]
    columns = dict(zip(features, array.T, strict=True)) if by_feature else {"x_num": array}
    inputs = []
    tail = b""
    for name, column in reversed(columns.items()):
        one: dict[str, Any] = {"name": name, "datatype": datatype, "shape": column.shape}
        if is_binary:
            tail += column.tobytes()
            one["parameters"] = {"binary_data_size": column.nbytes}
        else:
            one["data"] = column.tolist()
        inputs.append(one)
    text = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))} if is_binary else {}
    answer = service.post("/v2/models/iris/infer", content=text + tail, headers=headers)
    assert answer.status_code == 200, answer.text
    assert_same(answer.json(), native(service, array.astype(np.float64).tolist()))


def penguin_columns() -> list[dict[str, Any]]:
    bill, island, mass, sex = ([*column] for column in zip(*PENGUINS, strict=True))
    return [
        {"name": "sex", "datatype": "BYTES", "shape": [3], "data": sex},
        {"name": "mass_g", "datatype": "FP64", "shape": [3, 1], "data": [[cell] for cell in mass]},
        {"name": "island", "datatype": "BYTES", "shape": [3, 1], "data": island},
        {"name": "bill_mm", "datatype": "FP32", "shape": [3], "data": bill},
    ]


def test_features_may_come_by_name_in_any_order(service: Service) -> None:
    assert_same(infer(service, *penguin_columns(), model="penguins"), native(service, PENGUINS, "penguins"))


def test_texts_may_come_as_a_tensor(service: Service) -> None:
    numbers = x_num([[40.5, 4000], [None, 3700.25], [39, float("nan")]], [3, 2], "FP64")
    texts = {
        "name": "x_cat",
        "datatype": "BYTES",
        "shape": [3, 2],
        "data": [["Dream", "male"], ["Torgersen", None], ["Élysée", ""]],
    }
    text = json.dumps({"inputs": [texts, numbers]})  # in which NaN stands, which is no JSON
    answer = service.post("/v2/models/penguins/infer", content=text)
    assert_same(answer.json(), native(service, PENGUINS, "penguins"))


def test_texts_may_come_as_bytes(service: Service) -> None:
    cells = [row[position] or "" for row in PENGUINS for position in (1, 3)]
    texts = b"".join(len(cell.encode()).to_bytes(4, "little") + cell.encode() for cell in cells)
    numbers = np.array([[40.5, 4000], [np.nan, 3700.25], [39, np.nan]], np.float32).tobytes()
    inputs = [
        {"name": "x_cat", "datatype": "BYTES", "shape": [3, 2], "parameters": {"binary_data_size": len(texts)}},
        {"name": "x_num", "datatype": "FP32", "shape": [3, 2], "parameters": {"binary_data_size": len(numbers)}},
    ]
    document = json.dumps({"inputs": inputs, "outputs": [{"name": "class_index"}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(document))}
    answer = service.post("/v2/models/penguins/infer", content=document + texts + numbers, headers=headers)
    expected = [prediction["class_index"] for prediction in native(service, PENGUINS, "penguins")]
    assert answer.json()["outputs"] == [{"name": "class_index", "datatype": "INT64", "shape": [3], "data": expected}]


def test_outputs_come_as_they_are_asked_for(service: Service) -> None:
    outputs = [
        {"name": "probabilities", "parameters": {"classification": 2}},
        {"name": "class_index", "parameters": {"binary_data": True}},
        {"name": "logits", "parameters": {"classification": 99, "binary_data": True}},
    ]
    document = {"inputs": [x_num(FLAT)], "outputs": outputs}
    answer = service.post("/v2/models/iris/infer", json=document)
    n_json = int(answer.headers["Inference-Header-Content-Length"])
    first, second, third = json.loads(answer.content[:n_json])["outputs"]
    predictions = native(service, ROWS)
    labels = ["setosa", "versicolor", "virginica"]
    best = [sorted(range(3), key=lambda index: -row["probabilities"][index])[:2] for row in predictions]
    assert (first["name"], first["datatype"], first["shape"]) == ("probabilities", "BYTES", [2, 2])
    cells = [cell.split(":") for cell in first["data"]]
    assert [(np.float32(value), int(index), label) for value, index, label in cells] == [
        (np.float32(row["probabilities"][index]), index, labels[index])
        for row, indices in zip(predictions, best, strict=True)
        for index in indices
    ]
    assert (second["parameters"], third["shape"]) == ({"binary_data_size": 16}, [2, 3])
    tail = answer.content[n_json:]
    assert np.frombuffer(tail[:16], "<i8").tolist() == [row["class_index"] for row in predictions]
    assert len(tail) == 16 + third["parameters"]["binary_data_size"]
    assert float(tail[20:].split(b":")[0]) == pytest.approx(max(predictions[0]["logits"]), rel=1e-6)


def test_a_body_without_json_is_one_row(service: Service) -> None:
    body = np.array(ROWS[0], np.float32).tobytes()
    answer = service.post("/v2/models/iris/infer", content=body, headers={"Inference-Header-Content-Length": "0"})
    tail = answer.content[int(answer.headers["Inference-Header-Content-Length"]) :]
    (expected,) = native(service, ROWS[:1])
    assert np.frombuffer(tail[:12], np.float32).tolist() == np.array(expected["logits"], np.float32).tolist()
    for content, model, says in (
        (body[:-1], "iris", "must be one row of 4 float32, got 15 bytes"),
        (body, "penguins", "needs a model with numeric features only"),
    ):
        answer = service.post(
            f"/v2/models/{model}/infer", content=content, headers={"Inference-Header-Content-Length": "0"}
        )
        assert answer.status_code == 400
        assert says in answer.json()["error"]


ONE = x_num(FLAT[:4])


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([], "inputs must be x_num, or one for each feature; lacks x_num"),
        ([ONE, ONE], "got one of them twice"),
        ([{**ONE, "name": "x"}], "got x"),
        ([{**ONE, "name": "sepal_length"}], "lacks sepal_width, petal_length, petal_width"),
        ([{**ONE, "shape": [4]}], "input 'x_num' must have the shape [n_rows, 4], got [4]"),
        ([{**ONE, "shape": [2, 4]}], "input 'x_num' must have 8 elements, as its shape says, got 4"),
        ([{**ONE, "data": [1] * 600_000}], "input 'x_num' must have 4 elements, as its shape says, got more"),
        ([{**ONE, "shape": [0, 4], "data": []}], "at least one row"),
        ([{**ONE, "shape": [-1, 4]}], "must have the shape [n_rows, 4], got [-1, 4]"),
        ([{**ONE, "datatype": "BF16"}], "a datatype must be one of BOOL, INT8"),
        ([{**ONE, "datatype": "BYTES", "data": ["a"] * 4}], "must be of a datatype of numbers, got BYTES"),
        ([{**ONE, "datatype": "INT8", "data": [1, 2, 3, 128]}], "must hold INT8, got a number out of its range"),
        ([{**ONE, "datatype": "INT8", "data": [1, 2, 3, 1.5]}], "must be whole numbers"),
        ([{**ONE, "datatype": "BOOL", "data": [1, 2, 3, 1.5]}], "must be true and false"),
        ([{**ONE, "data": [1, 2, 3, "4"]}], "must be numbers in an array"),
        ([{**ONE, "data": [[[1, 2, 3, 4]]]}], "must be numbers in an array, or in one for each row"),
        ([{**ONE, "data": [1, 2, 3, 1e39]}], "row 0, feature 'petal_width': expected a finite float32"),
        ([{**ONE, "datatype": "FP16", "data": [1, 2, 3, 70000]}], "row 0, feature 'petal_width'"),
        ([{"name": "x_num", "datatype": "FP32", "shape": [1, 4]}], "must have data, or binary_data_size"),
        ([{**ONE, "parameters": {"binary_data_size": 16}}], "must have data or binary_data_size, got both"),
        ([{**ONE, "parameters": {"shared_memory_region": "a"}, "data": None}], "must be numbers"),
        (
            [{"name": "x_num", "datatype": "FP32", "shape": [1, 4], "parameters": {"shared_memory_region": "a"}}],
            "shared memory is not supported",
        ),
    ],
)
def test_inputs_that_are_not_the_models_are_refused(service: Service, inputs: list[Any], says: str) -> None:
    assert says in refused(service, *inputs)


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ([{"name": "score"}], "outputs must be among logits, probabilities, class_index; got 'score'"),
        ([{"name": "logits"}, {"name": "logits"}], "asked for once"),
        ([{"name": "class_index", "parameters": {"classification": 1}}], "a score for each class, got class_index"),
        ([{"name": "logits", "parameters": {"classification": -1}}], "classification"),
        ([{"name": "logits", "parameters": {"shared_memory_region": "a"}}], "shared memory is not supported"),
    ],
)
def test_outputs_that_are_not_the_models_are_refused(service: Service, outputs: list[Any], says: str) -> None:
    assert says in refused(service, ONE, outputs=outputs)


def test_a_text_that_is_no_unicode_is_refused(service: Service) -> None:
    text = json.dumps({"inputs": [{**one, "data": ["\ud800"] * 3} for one in penguin_columns()]})
    answer = service.post("/v2/models/penguins/infer", content=text)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"datatype": "INT64", "data": [1, 2, 3]}, "input 'sex' must be of the datatype BYTES, got INT64"),
        ({"shape": [2], "data": ["male"] * 2}, "inputs must all have as many rows, got 2 and 3"),
        ({"shape": [3, 2], "data": ["male"] * 6}, "must have the shape [n_rows] or [n_rows, 1]"),
        ({"data": ["male", 1, None]}, "must be strings in an array"),
    ],
)
def test_columns_that_do_not_fit_are_refused(service: Service, column: dict[str, Any], says: str) -> None:
    sex, *others = penguin_columns()
    assert says in refused(service, {**sex, **column}, *others, model="penguins")


def test_more_rows_than_allowed_are_too_many(service: Service) -> None:
    assert "at most 5000 rows" in refused(service, x_num([0] * 20_004), status=413)
    assert "at most 5000 rows" in refused(service, {**ONE, "shape": [10**30, 4]}, status=413)


@pytest.mark.parametrize(
    ("size", "tail", "says"),
    [
        (16, 12, "must have 16 bytes behind the JSON, as its binary_data_size says, got 12"),
        (12, 12, "must have 16 bytes, as its shape and datatype say, got 12"),
        (16, 20, "must end with the bytes of its inputs, got 4 more"),
    ],
)
def test_bytes_that_are_too_few_or_too_many_are_refused(service: Service, size: int, tail: int, says: str) -> None:
    one = {"name": "x_num", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [one]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    answer = service.post("/v2/models/iris/infer", content=text + bytes(tail), headers=headers)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "content",
    [b"\x01\0\0\0", b"\x01\0\0\0ab", b"\x01\0\0\0\xff", b"\xff\xff\xff\xffabc", b"", b"\0\0\0\0\0\0\0\0"],
)
def test_bytes_that_are_no_texts_are_refused(service: Service, content: bytes) -> None:
    _sex, *others = penguin_columns()
    one = [{**other, "shape": [1], "data": other["data"][:1]} for other in others]
    one[0]["data"] = [4000]
    sex = {"name": "sex", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(content)}}
    text = json.dumps({"inputs": [sex, *one]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    answer = service.post("/v2/models/penguins/infer", content=text + content, headers=headers)
    assert answer.status_code == 400
    assert "input 'sex'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "a body must be JSON"),
        (b"{", "a body must be JSON"),
        (b"[]", 'a body must be {"inputs"'),
        (b'{"inputs":[{"name":"x_num","shape":[1,4],"datatype":"FP32","data":[1,2,3,Infinity]}]}', "must be finite"),
        (b'{"inputs":[{"name":"x_num","shape":[1,4],"datatype":"FP32","data":[1,2,3,NaN}]}', "must be JSON"),
        (b'{"inputs":[{"name":"x_num","shape":[1,4],"datatype":"FP32","data":[1,2,3,1e400]}]}', "out of range"),
        (b"\xff", "a body must be"),
    ],
)
def test_what_is_no_request_is_refused(service: Service, content: bytes, says: str) -> None:
    answer = service.post("/v2/models/iris/infer", content=content)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert says in answer.json()["error"]


def test_headers_that_do_not_fit_are_refused(service: Service) -> None:
    def status(**headers: str) -> int:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.post("/v2/models/iris/infer", json={"inputs": [ONE]}, headers=names).status_code

    assert status(Inference_Header_Content_Length="x") == 400
    assert status(Inference_Header_Content_Length="100000") == 400
    assert status(Content_Type="text/plain") == 415
    assert status(Content_Encoding="br") == 415
    assert status(Accept="image/png") == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/none/infer", 404),
        ("POST", "/v2/models/iris/versions/9/infer", 404),
        ("POST", "/v2/models/iris/versions/x/infer", 404),
        ("GET", "/v2/models/iris/infer", 405),
        ("GET", "/v2/nothing", 404),
        ("POST", "/v2/models/iris/generate", 404),
    ],
)
def test_every_error_has_the_protocols_shape(service: Service, method: str, path: str, status: int) -> None:
    answer = service.request(method, path, json={"inputs": [ONE]} if method == "POST" else None)
    assert (answer.status_code, answer.headers["content-type"], list(answer.json())) == (
        status,
        "application/json",
        ["error"],
    )


def test_a_fault_of_ours_names_the_request_and_nothing_else(
    start: Any, publisher: Any, foundry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    foundry.publish(publisher, "iris")
    service = start()
    monkeypatch.setattr("service.predictor.Predictor.run", lambda *_args: 1 / 0)
    error = refused(service, ONE, status=500)
    assert "(request " in error
    assert "division" not in error
