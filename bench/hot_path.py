"""Where a prediction's microseconds go, and how large a body two milliseconds are enough for: `make bench-hot-path`.

In one process, without a network: the server's protocol gets the bytes of a request, and writes to nowhere. Each figure
is the least of many repeats, so that what else the machine does hardly shows.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import orjson
import uvicorn
import uvloop
from uvicorn.server import ServerState

from bench.peers.formats import ARRAYS, ARROW, COLUMNS, OBJECTS
from bench.peers.rows import Rows, iris_rows, train_mixed
from bench.report import save
from contract.repository import Repository
from service.app import create_app
from service.direct import Direct, Response
from service.exchange import Written, answer
from service.formats.exchange import CSV, NDJSON, negotiate
from service.gathering import score_all
from service.predictor import Predictor
from service.protocol import Protocol
from service.settings import Settings
from service.telemetry import Telemetry

BODY = b'{"instances":[[5.1,3.5,1.4,0.2]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
REQUEST = HEAD % len(BODY) + BODY
TOGETHER = 16
CALLS = 2_000
N_ROWS = 2_000
BUDGET_MS = 2.0
"""How long one body may keep the event loop."""
MODELS = Path("models")
JSON = {"Content-Type": "application/json"}
WRITERS: Mapping[str, tuple[Callable[[Rows], bytes], Mapping[str, str]]] = {
    "JSON, arrays": (ARRAYS.write, JSON),
    "JSON, objects": (OBJECTS.write, JSON),
    "JSON, columns": (COLUMNS.write, JSON),
    "NDJSON": (lambda rows: b"\n".join(map(orjson.dumps, rows.frame.rows())), {"Content-Type": NDJSON}),
    "CSV": (lambda rows: rows.frame.write_csv().encode(), {"Content-Type": CSV}),
    "Arrow": (ARROW.write, ARROW.headers),
}


class Transport:
    """Takes what is written."""

    def write(self, data: bytes) -> None:
        """Nowhere."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def get_extra_info(self, _name: str) -> None:
        """Nothing is known of it."""

    def resume_reading(self) -> None:
        """It always reads."""


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=25)
    repeats = parser.parse_args().repeats
    steps = uvloop.run(measure_steps(repeats))
    print(f"{'one row of iris as JSON':<52}{'µs':>8}")
    for name, microseconds in steps.items():
        print(f"{name:<52}{microseconds:>8.2f}")
    with tempfile.TemporaryDirectory() as folder:
        mixed_models = Path(folder) / "models"
        mixed = train_mixed(mixed_models)
        predictors = {
            "numbers": (load(MODELS, "iris"), iris_rows(MODELS / "iris" / "1" / "model.onnx")),
            "numbers and texts": (load(mixed_models, "penguins"), mixed),
        }
    sizes = {name: measure_formats(*pair, repeats) for name, pair in predictors.items()}
    print(f"\n{f'{N_ROWS} rows, answered in the same format':<52}{'ms':>8}{'KiB':>8}{f'KiB in {BUDGET_MS:.0f} ms':>14}")
    for name, formats in sizes.items():
        for form, (milliseconds, kibibytes) in formats.items():
            most = kibibytes * BUDGET_MS / milliseconds
            print(f"{f'{name}: {form}':<52}{milliseconds:>8.2f}{kibibytes:>8.0f}{most:>14.0f}")
    save("hot_path", {"steps_us": steps, "formats_ms_and_kib": sizes})


def load(models: Path, name: str) -> Predictor:
    """The version that serves."""
    return Predictor(Repository(models).read_current(name)[1])


async def measure_steps(repeats: int) -> dict[str, float]:
    """Microseconds of the whole and of its parts, in the order of their doing."""
    app = create_app(Settings.from_env({}, models=MODELS, default_model="iris"))
    async with app.lifespan():
        direct = cast("Direct", app.state.direct)
        config = uvicorn.Config(
            app, http=Protocol, ws="none", log_config=None, server_header=False, proxy_headers=False
        )
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"Tue, 24 Nov 2026 03:00:00 GMT")]
        connections = [Protocol(config, state, {}) for _ in range(TOGETHER)]
        for connection in connections:
            connection.connection_made(cast("Any", Transport()))
        first = connections[0]

        def alone() -> None:
            first.data_received(REQUEST)
            direct.answer_waiting()

        def together() -> None:
            for connection in connections:
                connection.data_received(REQUEST)
            direct.answer_waiting()

        plan = direct.plan(b"/predict", {b"content-type": b"application/json"}, len(BODY))
        assert plan is not None
        exchange = plan.exchange
        predictor = load(MODELS, "iris")
        question = exchange.read(BODY, predictor, 10_000)
        (scored,) = score_all(predictor, [question.rows])
        assert scored is not None
        telemetry = cast("Telemetry", direct._telemetry)  # noqa: SLF001 # to take one step by itself

        def answer_by(ask: Callable[..., None]) -> float:
            whole, direct.ask = direct.ask, ask  # type: ignore[method-assign] # the parts before it and after it alone
            try:
                return least(lambda: first.data_received(REQUEST), repeats)
            finally:
                direct.ask = whole  # type: ignore[method-assign] # as it was

        http = answer_by(lambda _request, _body, reply: reply(Response(Written(b"{}", b"application/json"), b"x" * 32)))
        parts = {
            "parse the request, plan its answer, write the response": http,
            "body to tensors": least(lambda: exchange.read(BODY, predictor, 10_000), repeats),
            "onnxruntime": least(lambda: predictor.run(question.rows.tensors), repeats),
            "are all numbers finite?": least(scored.answers.are_finite, repeats),
            "answers to JSON": least(lambda: question.write(scored), repeats),
            "request id": least(lambda: telemetry.name(None), repeats),
            "metrics": least(lambda: telemetry.record(b"x", "POST", plan.path, plan.route, 200, 1e-4, None), repeats),
        }
        whole = await least_between_turns(alone, repeats)
        return parts | {
            "lists, groups and calls between them": whole - sum(parts.values()),
            "all of a request alone": whole,
            f"each of {TOGETHER} in one turn of the event loop": await least_between_turns(together, repeats)
            / TOGETHER,
        }


def measure_formats(predictor: Predictor, rows: Rows, repeats: int) -> dict[str, tuple[float, float]]:
    """By format, milliseconds of a body with its answer in the same format, and the body's KiB."""
    figures = {}
    for name, (write, headers) in WRITERS.items():
        form = headers["Content-Type"].encode()
        exchange = negotiate("litet", form, form, b"")
        body = write(rows.take(N_ROWS))
        microseconds = least(lambda: answer(exchange, predictor, body, N_ROWS), repeats, calls=3)  # noqa: B023 # at once
        figures[name] = (microseconds / 1e3, len(body) / 1024)
    return figures


async def least_between_turns(run: Callable[[], object], repeats: int, calls: int = 100) -> float:
    """Microseconds of a call that leaves something for the event loop to do, which it does after every few calls: what
    piles up would cost the later ones.
    """
    figures = []
    for _ in range(repeats * 10):
        figures.append(timeit.timeit(run, number=calls) / calls * 1e6)
        await asyncio.sleep(0)
    return min(figures)


def least(run: Callable[[], object], repeats: int, calls: int = CALLS) -> float:
    """Microseconds of a call."""
    return min(timeit.repeat(run, number=calls, repeat=repeats)) / calls * 1e6


if __name__ == "__main__":
    main()
