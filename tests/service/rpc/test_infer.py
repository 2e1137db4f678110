"""`ModelInfer` answers what the same rows get over HTTP, to the last bit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from service.accounting import Accounting
from service.rpc.inference import parse
from tests.service.rpc.asking import (
    DTYPES,
    FIELDS,
    PENGUINS,
    ROWS,
    add_raw,
    add_typed,
    arrays,
    ask_for,
    native,
    raw_rows,
    request,
    same,
    typed_rows,
)
from tests.service.rpc.conftest import Rpc

Add = Callable[..., None]


def test_outputs_come_typed_where_the_inputs_came_so(shared: Rpc) -> None:
    answer = shared.infer(typed_rows())
    assert not answer.raw_output_contents
    assert [output.datatype for output in answer.outputs] == ["FP32", "FP32", "INT64"]
    assert same(arrays(answer), native(shared.http, ROWS))


def test_outputs_come_as_bytes_where_the_inputs_came_so(shared: Rpc) -> None:
    answer = shared.infer(raw_rows())
    assert len(answer.raw_output_contents) == 3
    assert not any(output.HasField("contents") for output in answer.outputs)
    assert same(arrays(answer), native(shared.http, ROWS))


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_messages_may_be_compressed(shared: Rpc, compression: grpc.Compression) -> None:
    rows = ROWS * 500
    assert same(arrays(shared.infer(raw_rows(rows), compression=compression)), native(shared.http, rows))


@pytest.mark.parametrize("n_rows", [1, 1_000, 15_000])
@pytest.mark.parametrize("make", [typed_rows, raw_rows])
def test_many_rows_are_answered_as_few_are(shared: Rpc, make: Callable[..., Any], n_rows: int) -> None:
    rows = np.random.default_rng(0).normal(size=(n_rows, 4)).astype(np.float32).tolist()
    assert same(arrays(shared.infer(make(rows))), native(shared.http, rows))


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("add", [add_raw, add_typed])
def test_numbers_of_any_datatype_are_taken(shared: Rpc, add: Add, datatype: str) -> None:
    numbers = [1, 0, 1, 1] if datatype == "BOOL" else [5, 3, 1, 0]
    message = request()
    if add is add_typed and datatype not in FIELDS:
        message.inputs.add(name="x_num", datatype=datatype, shape=[1, 4])
        code, text = shared.refusal(message)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert text == "input 'x_num' must come in raw_input_contents, as FP16 has no other place"
        return
    add(message, "x_num", numbers, [1, 4], datatype)
    assert same(arrays(shared.infer(message)), native(shared.http, [numbers]))


@pytest.mark.parametrize("add", [add_raw, add_typed])
def test_tensors_of_numbers_and_of_texts_are_taken_in_any_order(shared: Rpc, add: Add) -> None:
    message = request("penguins")
    texts = [b"Dream", b"male", b"Torgersen", b"", "Élysée".encode(), b""]
    add(message, "x_cat", texts, [3, 2], "BYTES")
    add(message, "x_num", [40.5, 4000, np.nan, 3700.25, 39.0, np.nan], [3, 2])
    assert same(arrays(shared.infer(message)), native(shared.http, PENGUINS, "penguins"))


@pytest.mark.parametrize("add", [add_raw, add_typed])
def test_an_input_for_each_feature_is_taken(shared: Rpc, add: Add) -> None:
    message = request("penguins")
    add(message, "sex", [b"male", b"", b""], [3], "BYTES")
    add(message, "mass_g", [4000, 3700.25, np.nan], [3, 1], "FP64")
    add(message, "island", [b"Dream", b"Torgersen", "Élysée".encode()], [3], "BYTES")
    add(message, "bill_mm", [40.5, np.nan, 39.0], [3])
    assert same(arrays(shared.infer(message)), native(shared.http, PENGUINS, "penguins"))


def test_an_answer_names_its_version_and_the_id_of_the_request(shared: Rpc) -> None:
    answer = shared.infer(typed_rows(id="mine-é"))
    assert (answer.model_name, answer.model_version, answer.id) == ("iris", "1", "mine-é")
    assert not shared.infer(typed_rows()).id


def test_a_version_can_be_asked_for(shared: Rpc) -> None:
    current, other = (shared.infer(typed_rows(model_version=version)) for version in ("1", "2"))
    assert (current.model_version, other.model_version) == ("1", "2")
    assert same(arrays(current), native(shared.http, ROWS))
    predictions = shared.http.post("/models/iris/versions/2/predict", json={"instances": ROWS}).json()["predictions"]
    expected = np.array([prediction["logits"] for prediction in predictions], np.float32)
    assert arrays(other)["logits"].tobytes() == expected.tobytes()


@pytest.mark.parametrize("make", [typed_rows, raw_rows])
def test_outputs_come_as_they_are_asked_for(shared: Rpc, make: Callable[..., Any]) -> None:
    message = make()
    ask_for(message, "class_index", binary_data=("bool_param", False), anything=("string_param", "?"))
    ask_for(message, "logits")
    answer = shared.infer(message)
    expected = native(shared.http, ROWS)
    assert same(arrays(answer), {name: expected[name] for name in ("class_index", "logits")})


def test_classification_names_the_best_classes(shared: Rpc) -> None:
    message = typed_rows()
    ask_for(message, "probabilities", classification=("int64_param", 2))
    (output,) = shared.infer(message).outputs
    assert (output.datatype, list(output.shape)) == ("BYTES", [2, 2])
    http = shared.http.post(
        "/v2/models/iris/infer",
        json={
            "inputs": [{"name": "x_num", "datatype": "FP32", "shape": [2, 4], "data": ROWS}],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}],
        },
    )
    assert [text.decode() for text in output.contents.bytes_contents] == http.json()["outputs"][0]["data"]

    raw = raw_rows()
    ask_for(raw, "probabilities", classification=("int64_param", 1))
    (content,) = shared.infer(raw).raw_output_contents
    best = output.contents.bytes_contents[0]
    assert content.startswith(len(best).to_bytes(4, "little") + best)


def test_parameters_that_are_not_known_are_ignored(shared: Rpc) -> None:
    message = typed_rows()
    message.parameters["priority"].int64_param = 1
    message.inputs[0].parameters["anything"].string_param = "?"
    assert same(arrays(shared.infer(message)), native(shared.http, ROWS))


def test_what_is_answered_is_counted_for_the_model(rpc: Callable[..., Rpc], publisher: Any, foundry: Any) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, seed=1, promote=False)
    service = rpc()
    service.infer(typed_rows())
    service.infer(raw_rows(model_version="2"))
    service.refusal(typed_rows([[1.0, 2.0]]))
    service.refusal(typed_rows([[1.0, 2.0]], model_version="2"))
    stats = service.http.get("/v2/models/iris/stats").json()["model_stats"]
    counted = [
        (
            one["version"],
            one["inference_count"],
            one["inference_stats"]["success"]["count"],
            one["inference_stats"]["fail"]["count"],
        )
        for one in stats
    ]
    assert counted == [("1", 2, 1, 1), ("2", 2, 1, 1)]
    metrics = service.http.get("/metrics").text
    assert 'litet_rows_total{model="iris",version="1"} 2.0' in metrics


def test_only_what_the_current_version_answers_is_watched_and_kept(
    rpc: Callable[..., Rpc], publisher: Any, foundry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[str] = []
    for name in ("answered", "failed"):
        counts = getattr(Accounting, name)

        def note(*told: Any, name: str = name, counts: Callable[..., None] = counts) -> None:
            watched.append(name)
            counts(*told)

        monkeypatch.setattr(Accounting, name, note)
    foundry.publish(publisher)
    service = rpc()
    for version in ("1", ""):
        service.infer(typed_rows(model_version=version))
        service.refusal(typed_rows([[1.0]], model_version=version))
    assert watched == ["answered", "failed"]


@pytest.mark.parametrize(("n_rows", "is_loop"), [(10, True), (15_000, True), (40_000, False)])
def test_a_large_message_is_parsed_off_the_event_loop(
    rpc: Callable[..., Rpc], publisher: Any, foundry: Any, monkeypatch: pytest.MonkeyPatch, n_rows: int, is_loop: bool
) -> None:
    threads: list[str] = []

    def note(kind: Any, body: bytes) -> Any:
        threads.append(threading.current_thread().name)
        return parse(kind, body)

    foundry.publish(publisher)
    service = rpc(max_rows=50_000)
    monkeypatch.setattr("service.rpc.inference.parse", note)
    service.infer(raw_rows(np.zeros((n_rows, 4))))
    assert [not name.startswith("large-body") for name in threads] == [is_loop]
