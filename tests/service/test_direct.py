"""What is answered without the app is answered as the app does, byte for byte; and what is not, by the app."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.service.wire import (
    CHUNKED,
    DIRECT,
    FOR_THE_APP,
    JSON,
    ROW,
    Wire,
    post,
    read_answer,
    run,
    run_through_the_app,
)


@pytest.mark.parametrize("request_", DIRECT.values(), ids=DIRECT)
def test_it_answers_as_the_app_does(wire: Callable[..., Wire], request_: bytes) -> None:
    direct = wire()
    assert run(direct, request_) == run_through_the_app(wire(), request_)
    assert direct.n_direct == 1


@pytest.mark.parametrize("request_", [*FOR_THE_APP.values(), CHUNKED], ids=[*FOR_THE_APP, "chunks"])
def test_everything_else_is_the_apps(wire: Callable[..., Wire], request_: bytes) -> None:
    direct = wire(max_body_bytes=150_000)
    assert run(direct, request_) == run_through_the_app(wire(max_body_bytes=150_000), request_)
    assert direct.n_direct == 0


@pytest.mark.parametrize("cut", [1, 20, 60, 85, 95, len(DIRECT["a row"]) - 1])
def test_a_request_may_come_in_pieces(wire: Callable[..., Wire], cut: int) -> None:
    whole, direct = DIRECT["a row"], wire()
    assert run(direct, whole[:cut], whole[cut:]) == run(wire(), whole)
    assert direct.n_direct == 1


def test_requests_of_a_pipeline_are_answered_in_their_order(wire: Callable[..., Wire]) -> None:
    ids = [f"r{number}" for number in range(6)]
    requests = [
        post("/predict", JSON, f"X-Request-ID: {name}", body=ROW + b" " * (140_000 if number in {0, 3} else 0))
        for number, name in enumerate(ids)
    ]
    answers = run(wire(), b"".join(requests), n_answers=6)
    assert [re.search(rb"x-request-id: (\w+)", answer)[1].decode() for answer in answers] == ids  # type: ignore[index]


def test_a_row_that_is_wrong_after_good_ones_breaks_no_connection(wire: Callable[..., Wire]) -> None:
    parts = (DIRECT["a row"], FOR_THE_APP["a wrong row"], DIRECT["a row"])
    statuses = [answer.split(b" ")[1] for answer in run(wire(), *parts, n_answers=3)]
    assert statuses == [b"200", b"422", b"200"]


def test_an_error_that_nobody_foresaw_is_the_apps(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.predictor.Predictor.run", lambda *_args: 1 / 0)
    direct = wire()
    monkeypatch.setattr("service.predictor.Predictor._warm_up", lambda _self: None)
    (answer,) = run(direct, DIRECT["a row"])
    assert answer.startswith(b"HTTP/1.1 500 ")


def test_a_stopping_service_answers_through_the_app_that_says_so(wire: Callable[..., Wire]) -> None:
    stopping = wire()
    stopping.app.state.draining.started = True
    (answer,) = run(stopping, DIRECT["a row"])
    assert b"connection: close\r\n" in answer
    assert stopping.n_direct == 0


def test_a_body_under_way_when_the_server_stops_is_waited_for(wire: Callable[..., Wire]) -> None:
    stopping, whole = wire(), DIRECT["a row"]

    async def served() -> bytes:
        async with stopping.app.lifespan(), stopping.connected() as (reader, writer):
            writer.write(whole[:-5])
            await stopping.received.wait()
            stopping.app.state.draining.started = True
            stopping.protocols[0].shutdown()
            writer.write(whole[-5:])
            answer = await read_answer(reader)
            assert await reader.read() == b""
            return answer

    answer = asyncio.run(served())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in answer


def test_a_client_that_hangs_up_in_a_body_leaves_nothing(wire: Callable[..., Wire]) -> None:
    direct = wire()

    async def served() -> None:
        async with direct.app.lifespan():
            async with direct.connected() as (_reader, writer):
                writer.write(DIRECT["a row"][:-5])
                await writer.drain()
            assert (await direct.ask(DIRECT["a row"]))[0].startswith(b"HTTP/1.1 200 ")

    asyncio.run(served())
    assert direct.n_direct == 1


def test_both_ways_are_counted_alike(wire: Callable[..., Wire]) -> None:
    def series(answers: list[bytes]) -> list[str]:
        lines = answers[-1].decode().splitlines()
        return [line for line in lines if line.startswith(("litet_requests", "litet_rows")) and "metrics" not in line]

    requests = (
        DIRECT["a row"],
        DIRECT["rows as objects"],
        FOR_THE_APP["a wrong row"],
        b"GET /metrics HTTP/1.1\r\n\r\n",
    )
    counted = series(run(wire(), *requests, n_answers=4))
    assert counted == series(run_through_the_app(wire(), *requests, n_answers=4))
    assert 'litet_requests_total{method="POST",route="/predict",status="200"} 1.0' in counted
    assert 'litet_rows_total{model="penguins",version="1"} 3.0' in counted


def test_both_ways_are_logged_alike(wire: Callable[..., Wire], caplog: pytest.LogCaptureFixture) -> None:
    def logged(ask: Callable[..., list[bytes]]) -> dict[str, Any]:
        caplog.clear()
        with caplog.at_level("INFO", logger="service.telemetry"):
            ask(wire(access_log=True), DIRECT["some outputs"])
        (line,) = [vars(record) for record in caplog.records if record.name == "service.telemetry"]
        return {name: line[name] for name in ("message", "method", "path", "status", "client")}

    assert logged(run) == logged(run_through_the_app)
