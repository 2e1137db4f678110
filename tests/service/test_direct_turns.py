"""Requests of one turn of the event loop, and connections that stop, stall or go away meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from uvicorn.server import ServerState

from service.direct import Direct
from service.predictor import Predictor
from service.protocol import Protocol
from service.server import _config
from service.settings import Settings
from tests.service.wire import (
    ARROW,
    CHANGING,
    DIRECT,
    FOR_THE_APP,
    Wire,
    arrow,
    in_one_turn,
    pens,
    post,
    run,
    run_through_the_app,
)


def test_requests_of_one_turn_are_answered_by_the_models_that_they_ask(wire: Callable[..., Wire]) -> None:
    requests = [DIRECT[name] for name in ("a row", "rows as objects", "some outputs", "unseen, missing")]
    together = in_one_turn(wire(), *requests)
    alone = [in_one_turn(wire(), request)[0] for request in requests]
    assert [CHANGING.sub(b"*", answer) for answer in together] == [CHANGING.sub(b"*", answer) for answer in alone]
    assert [b'"model":"penguins"' in answer for answer in together] == [False, True, False, True]


def test_requests_of_one_turn_are_written_each_in_its_own_way(wire: Callable[..., Wire]) -> None:
    names = [name for name, request in DIRECT.items() if b"penguins" not in request] * 2
    together = in_one_turn(wire(), *[DIRECT[name] for name in names])
    alone = [in_one_turn(wire(), DIRECT[name])[0] for name in names]
    assert [CHANGING.sub(b"*", answer) for answer in together] == [CHANGING.sub(b"*", answer) for answer in alone]


def test_requests_that_cannot_be_counted_are_answered_like_the_others(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.accounting.Accounting.answered", lambda *_args: 1 / 0)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in in_one_turn(wire(), *[DIRECT["a row"]] * 3))
    assert [record.getMessage() for record in caplog.records if record.name == "service.direct"] == [
        "answered requests were not counted"
    ]


def test_the_limit_of_a_body_holds_for_small_limits_too(wire: Callable[..., Wire]) -> None:
    (answer,) = run(wire(max_body_bytes=20), DIRECT["a row"])
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_connection_goes_on_as_the_servers_own_do(wire: Callable[..., Wire]) -> None:
    direct = wire()

    async def served() -> None:
        async with pens(direct, 1) as [(protocol, pen)]:
            for date in (b"Mon", b"Tue"):
                direct._state.default_headers = [(b"date", date)]
                protocol.data_received(DIRECT["a row"])
                direct.app.state.direct.answer_waiting()
                assert b"\r\ndate: " + date + b"\r\n" in pen.written
                assert protocol.timeout_keep_alive_task is not None
            assert direct._state.total_requests == 2

    asyncio.run(served())


def test_a_request_that_waits_when_the_server_stops_is_answered_at_once(wire: Callable[..., Wire]) -> None:
    async def served() -> bytes:
        async with pens(wire(), 1) as [(protocol, pen)]:
            protocol.data_received(DIRECT["a row"])
            protocol.shutdown()
            return pen.written

    assert asyncio.run(served()).count(b"HTTP/1.1 200 ") == 1


def test_a_client_that_does_not_read_is_left_to_the_app_which_waits(wire: Callable[..., Wire]) -> None:
    direct = wire()

    async def served() -> None:
        async with pens(direct, 1) as [(protocol, pen)]:
            protocol.pause_writing()
            protocol.data_received(DIRECT["a row"])
            await asyncio.sleep(0)
            assert pen.written == b""
            protocol.resume_writing()
            await asyncio.wait(direct._state.tasks)
            assert pen.written.startswith(b"HTTP/1.1 200 ")

    asyncio.run(served())
    assert direct.n_direct == 0


@pytest.mark.parametrize("request_", [DIRECT["a row"], FOR_THE_APP["a wrong row"]])
def test_nothing_is_sent_to_a_client_that_went_away(wire: Callable[..., Wire], request_: bytes) -> None:
    direct = wire()

    async def served() -> None:
        async with pens(direct, 1) as [(protocol, pen)]:
            protocol.data_received(request_[:-1])
            pen.close()
            protocol.data_received(request_[-1:])
            direct.app.state.direct.answer_waiting()
            assert pen.written == b""
            assert not direct._state.tasks

    asyncio.run(served())


@pytest.mark.parametrize(("model", "is_direct"), [("iris", True), ("penguins", False)])
def test_large_tables_of_numbers_are_answered_at_once_and_those_of_texts_are_not(
    wire: Callable[..., Wire], model: str, *, is_direct: bool
) -> None:
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    numbers = pl.DataFrame({name: np.arange(3000.0) for name in names})
    texts = pl.DataFrame({"bill_mm": [1.0], "island": ["Dream"], "mass_g": [2.0], "sex": ["male"]})
    body = arrow(numbers if model == "iris" else pl.concat([texts] * 3000))
    direct, request = wire(), post(f"/models/{model}/predict", *ARROW, body=body)
    pieces = [request[start : start + 10_000] for start in range(0, len(request), 10_000)]
    assert len(body) > 64 * 1024
    (answer,) = run(direct, *pieces)
    assert answer == run_through_the_app(wire(), request)[0]
    assert pl.read_ipc_stream(answer.partition(b"\r\n\r\n")[2]).height == 3000
    assert direct.n_direct == is_direct


@pytest.mark.parametrize("path", ["/predict", "/models/iris/versions/1/predict"])
def test_many_rows_are_answered_in_a_thread_however_few_their_bytes(
    wire: Callable[..., Wire], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    run_model = Predictor.run

    def noting(self: Predictor, tensors: Any) -> Any:
        threads.append(threading.current_thread().name)
        return run_model(self, tensors)

    monkeypatch.setattr(Predictor, "run", noting)
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    body = arrow(pl.DataFrame({name: pl.Series([None] * 9000, dtype=pl.Null) for name in names}))
    assert len(body) < 4096
    (answer,) = run(wire(), post(path, ARROW[0], body=body))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b'"label"') == 9000
    assert [name.partition("_")[0] for name in threads] == ["large-body"]


def test_the_time_of_a_request_is_measured(wire: Callable[..., Wire]) -> None:
    answers = run(wire(), DIRECT["a row"], b"GET /metrics HTTP/1.1\r\n\r\n", n_answers=2)
    found = re.search(rb'litet_request_seconds_sum\{route="/predict"\} (\S+)', answers[1])
    assert found is not None
    assert 0 < float(found[1]) < 10


def test_the_server_finds_what_answers_directly(wire: Callable[..., Wire]) -> None:
    config = _config(Settings.from_env({}))
    config.app, config.factory = wire().app, False
    config.load()
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        assert isinstance(Protocol(config, ServerState(), {}, loop)._direct, Direct)
