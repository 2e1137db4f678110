"""What is answered without the app is answered as the app does, byte for byte; and what is not, by the app."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import uvicorn
from litestar import Litestar
from uvicorn.server import ServerState

from contract.publishing import Publisher
from service.app import create_app
from service.direct import Direct
from service.predictor import Predictor
from service.protocol import Protocol
from service.server import _config
from service.settings import Settings

ROW = b'{"instances":[[5.1,3.5,1.4,0.2]]}'
CHANGING = re.compile(rb"(?<=x-request-id: )[0-9a-f]{32}(?=\r\n)")
JSON = "Content-Type: application/json"


def post(path: str = "/predict", *headers: str, body: bytes = ROW, version: str = "1.1", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Wire:
    """An app behind the server's protocol, in this process. `n_direct` counts what was answered without the app."""

    def __init__(self, app: Litestar) -> None:
        self.app = app
        self.n_direct = 0
        self.protocols: list[Protocol] = []
        self.received = asyncio.Event()
        self._config = uvicorn.Config(
            app, http=Protocol, ws="none", log_config=None, server_header=False, proxy_headers=False
        )
        self._config.load()
        self._state = ServerState()

    def make(self) -> Protocol:
        protocol = Protocol(self._config, self._state, {})
        reply = protocol._reply

        def counting(response: bytes | None) -> None:
            self.n_direct += response is not None
            reply(response)

        data_received = protocol.data_received

        def noting(data: bytes) -> None:
            data_received(data)
            self.received.set()

        protocol._reply = counting  # type: ignore[method-assign]
        protocol.data_received = noting  # type: ignore[method-assign]
        self.protocols.append(protocol)
        return protocol

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        server = await asyncio.get_running_loop().create_server(self.make, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            server.close()

    async def ask(self, *parts: bytes, n_answers: int = 1) -> list[bytes]:
        """The answers to what one connection sends, part by part."""
        async with self.connected() as (reader, writer):
            for part in parts:
                writer.write(part)
                await writer.drain()
                # The next part comes in an event of its own: nothing is left of this one once the server has read it.
                await asyncio.sleep(0)
            return [await read_answer(reader) for _ in range(n_answers)]


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return head + await read_answer(reader)
    found = re.search(rb"content-length: (\d+)", head)
    return CHANGING.sub(b"*", head) + (await reader.readexactly(int(found.group(1))) if found else b"")


@pytest.fixture
def wire(publisher: Publisher, foundry: Any) -> Callable[..., Wire]:
    foundry.publish(publisher, "iris")
    foundry.publish(publisher, "penguins", foundry.mixed())
    return lambda **overrides: Wire(
        create_app(Settings.from_env({}, models=publisher.root, default_model="iris", **overrides))
    )


def run(wire: Wire, *parts: bytes, n_answers: int = 1) -> list[bytes]:
    async def served() -> list[bytes]:
        async with wire.app.lifespan():
            return await wire.ask(*parts, n_answers=n_answers)

    return asyncio.run(served())


def run_through_the_app(wire: Wire, *parts: bytes, n_answers: int = 1) -> list[bytes]:
    wire.app.state.direct.plan = lambda *_args: None
    return run(wire, *parts, n_answers=n_answers)


PENGUIN = {"bill_mm": 40.1, "island": "Dream", "mass_g": None, "sex": "x"}
DIRECT = {
    "a row": post("/predict", JSON),
    "rows as objects": post("/models/penguins/predict", JSON, body=json.dumps({"instances": [PENGUIN] * 3}).encode()),
    "unseen, missing": post(
        "/models/penguins/predict", JSON, body=b'{"instances":[[1,"?",null,null],[1,"Dream",2,""]]}'
    ),
    "columns": post(
        "/models/penguins/predict", JSON, body=json.dumps({"columns": {k: [v] for k, v in PENGUIN.items()}}).encode()
    ),
    "a charset": post("/predict", "content-type: Application/JSON; charset=UTF-8"),
    "its own id": post("/predict", JSON, "X-Request-ID: mine-1"),
    "an id that is none": post("/predict", JSON, "X-Request-ID: not an id"),
    "some outputs": post("/predict?outputs=label,logits", JSON),
    "lines": post(
        "/predict?partial=true",
        "Content-Type: application/x-ndjson",
        "Accept: application/x-ndjson",
        body=b"[1,2,3,4]\n[1,2]\n",
    ),
    "a partial answer": post(
        "/predict?partial=true", JSON, body=b'{"instances":[[1,2,3,4],[1],[3e38,3e38,3e38,3e38]]}'
    ),
    "kept alive in words": post("/predict", JSON, "Connection: keep-alive"),
    "as MLflow": post("/invocations", JSON, body=b'{"inputs":[[1,2,3,4]]}'),
    "one in a browser": post("/predict", JSON, "Accept: text/html, */*;q=0.8"),
}
FOR_THE_APP = {
    "no JSON": post("/predict", JSON, body=b"{"),
    "a wrong row": post("/predict", JSON, body=b'{"instances":[[5.1,3.5,1.4,"x"]]}'),
    "an infinite answer": post("/predict", JSON, body=b'{"instances":[[3e38,3e38,3e38,3e38]]}'),
    "no such model": post("/models/none/predict", JSON),
    "another path": post("/predict/", JSON),
    "an escaped path": post("/%70redict", JSON),
    "a version": post("/models/iris/versions/1/predict", JSON),
    "another type": post("/predict", "Content-Type: text/plain"),
    "no type": post("/predict"),
    "nothing acceptable": post("/predict", JSON, "Accept: image/png"),
    "another query": post("/predict?output=label", JSON),
    "an encoded body": post("/predict", JSON, "Content-Encoding: gzip"),
    "two encodings": post("/predict", JSON, "Content-Encoding: gzip", "Content-Encoding: identity"),
    "another method": post("/predict", JSON, method="PUT"),
    "the last request": post("/predict", JSON, "Connection: close"),
    "HTTP/1.0": post("/predict", JSON, "Connection: keep-alive", version="1.0"),
    "a client that waits": post("/predict", JSON, "Expect: 100-continue"),
    "a large body": post("/predict", JSON, body=ROW + b" " * 140_000),
    "too large a body": post("/predict", JSON, body=ROW + b" " * 200_000),
    "an empty body": post("/predict", JSON, body=b""),
    "two Accepts": post("/predict", JSON, "Accept: text/csv", "Accept: application/json;q=0.5"),
    "a long length": post("/predict", JSON).replace(b"Length: ", b"Length: 00000000"),
}
CHUNKED = (
    f"POST /predict HTTP/1.1\r\nHost: x\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)
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


class Pen:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, _name: str) -> None:
        return None

    def resume_reading(self) -> None: ...


@contextlib.asynccontextmanager
async def pens(wire: Wire, count: int) -> AsyncIterator[list[tuple[Protocol, Pen]]]:
    """Connections without a network, so that what they get comes in one turn of the event loop."""
    async with wire.app.lifespan():
        connections = [(wire.make(), Pen()) for _ in range(count)]
        for protocol, pen in connections:
            protocol.connection_made(pen)  # type: ignore[arg-type] # as much of a transport as is used
        yield connections


def in_one_turn(wire: Wire, *requests: bytes) -> list[bytes]:
    async def served() -> list[bytes]:
        async with pens(wire, len(requests)) as connections:
            for (protocol, _pen), request in zip(connections, requests, strict=True):
                protocol.data_received(request)
            assert not any(pen.written for _protocol, pen in connections)
            wire.app.state.direct.answer_waiting()
            return [pen.written for _protocol, pen in connections]

    return asyncio.run(served())


def test_requests_of_one_turn_are_answered_by_the_models_that_they_ask(wire: Callable[..., Wire]) -> None:
    requests = [DIRECT[name] for name in ("a row", "rows as objects", "some outputs", "unseen, missing")]
    together = in_one_turn(wire(), *requests)
    alone = [in_one_turn(wire(), request)[0] for request in requests]
    assert [CHANGING.sub(b"*", answer) for answer in together] == [CHANGING.sub(b"*", answer) for answer in alone]
    assert [b'"model":"penguins"' in answer for answer in together] == [False, True, False, True]


def test_a_request_that_cannot_be_counted_is_answered_like_the_others(
    wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.predict.Predict.count", lambda *_args: 1 / 0)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in in_one_turn(wire(), *[DIRECT["a row"]] * 3))
    assert [record.getMessage() for record in caplog.records if record.name == "service.direct"] == [
        "an answered request was not counted"
    ] * 3


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


def arrow(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file)
    return file.getvalue()


ARROW = ("Content-Type: application/vnd.apache.arrow.stream", "Accept: application/vnd.apache.arrow.stream")


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
