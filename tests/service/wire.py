"""An app behind the server's protocol, in this process, and requests to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import struct
from collections.abc import AsyncIterator
from typing import Any

import polars as pl
import uvicorn
from litestar import Litestar
from uvicorn.server import ServerState

from service.protocol import Protocol

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
    found = re.search(rb"\r\ncontent-length: (\d+)", head)
    return CHANGING.sub(b"*", head) + (await reader.readexactly(int(found.group(1))) if found else b"")


def run(wire: Wire, *parts: bytes, n_answers: int = 1) -> list[bytes]:
    async def served() -> list[bytes]:
        async with wire.app.lifespan():
            return await wire.ask(*parts, n_answers=n_answers)

    return asyncio.run(served())


def run_through_the_app(wire: Wire, *parts: bytes, n_answers: int = 1) -> list[bytes]:
    wire.app.state.direct.plan = lambda *_args: None
    return run(wire, *parts, n_answers=n_answers)


def infer(*headers: str, tail: bytes = b"", model: str = "iris", **document: Any) -> bytes:
    """A request of the Open Inference Protocol; `tail` are the bytes behind its JSON."""
    text = json.dumps(document).encode()
    length = [f"Inference-Header-Content-Length: {len(text)}"] if tail else []
    return post(f"/v2/models/{model}/infer", *length, *headers, body=text + tail)


NUMBERS = {"name": "x_num", "shape": [1, 4], "datatype": "FP32"}
ROW_BYTES = struct.pack("<4f", 5.1, 3.5, 1.4, 0.2)
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
    "v2": infer(inputs=[{**NUMBERS, "data": [5.1, 3.5, 1.4, 0.2]}], id="a"),
    "v2 as bytes": infer(
        inputs=[{**NUMBERS, "parameters": {"binary_data_size": 16}}],
        parameters={"binary_data_output": True},
        tail=ROW_BYTES,
    ),
    "v2, nothing but bytes": post(
        "/v2/models/iris/infer?x=1",
        "Content-Type: application/octet-stream",
        "Inference-Header-Content-Length: 0 \t",
        body=ROW_BYTES,
    ),
    "v2 by feature": infer(
        JSON,
        model="penguins",
        inputs=[
            {"name": "sex", "shape": [2], "datatype": "BYTES", "data": ["male", None]},
            {"name": "island", "shape": [2, 1], "datatype": "BYTES", "data": [["Dream"], ["?"]]},
            {"name": "mass_g", "shape": [2], "datatype": "INT64", "data": [4000, None]},
            {"name": "bill_mm", "shape": [2], "datatype": "FP64", "data": [40.1, 2]},
        ],
        outputs=[{"name": "logits", "parameters": {"classification": 1}}, {"name": "class_index"}],
    ),
    "v2, many rows compressed": infer(
        "Accept-Encoding: gzip",
        inputs=[{"name": "x_num", "shape": [100, 4], "datatype": "INT8", "data": [[1, 2, 3, 4]] * 100}],
    ),
    "v1": post("/v1/models/iris:predict", JSON),
    "v1 without a type": post("/v1/models/penguins:predict", body=json.dumps({"instances": [PENGUIN]}).encode()),
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
    "HTTP/1.0 at its shortest": post("/predict", JSON, version="1.0"),
    "a client that waits": post("/predict", JSON, "Expect: 100-continue"),
    "a large body": post("/predict", JSON, body=ROW + b" " * 140_000),
    "too large a body": post("/predict", JSON, body=ROW + b" " * 200_000),
    "an empty body": post("/predict", JSON, body=b""),
    "two Accepts": post("/predict", JSON, "Accept: text/csv", "Accept: application/json;q=0.5"),
    "v2, a wrong row": infer(inputs=[{**NUMBERS, "data": [5.1, 3.5, 1.4, 1e39]}]),
    "v2, a wrong shape": infer(inputs=[{**NUMBERS, "shape": [2, 3], "data": [5.1, 3.5, 1.4]}]),
    "v2, a wrong length": post("/v2/models/iris/infer", "Inference-Header-Content-Length: x"),
    "v2, an empty length": post("/v2/models/iris/infer", "Inference-Header-Content-Length:"),
    "v2, no such model": infer(model="none", inputs=[]),
    "v2, a version": post("/v2/models/iris/versions/1/infer", body=ROW_BYTES),
    "v1, no rows": post("/v1/models/iris:predict", JSON, body=b'{"inputs":[]}'),
    "v1, another action": post("/v1/models/iris:explain", JSON),
    "v1, a version": post("/v1/models/iris/versions/1:predict", JSON),
    "a long length": post("/predict", JSON).replace(b"Length: ", b"Length: 00000000"),
}
CHUNKED = (
    f"POST /predict HTTP/1.1\r\nHost: x\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)
)


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


def arrow(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file)
    return file.getvalue()


ARROW = ("Content-Type: application/vnd.apache.arrow.stream", "Accept: application/vnd.apache.arrow.stream")
