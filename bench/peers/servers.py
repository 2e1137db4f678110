"""The servers that are compared, how a user starts each, and what each is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.environments import ROOT
from bench.peers.environments import environment, version
from bench.peers.figures import Point
from bench.peers.formats import ARRAYS, ARROW, COLUMNS, OBJECTS, TENSOR, TENSOR_BYTES, Format
from bench.peers.processes import Launch, free_ports
from bench.peers.rows import Rows

APPS = Path(__file__).parent / "apps"
SERVING = ROOT / ".venv-serve" / "bin"
IRIS = ROOT / "models" / "iris"
INFER = "/v2/models/iris/infer"

ONE, MANY = Point(1, 1), Point(1, 32)
BULK = tuple(Point(n_rows, 1) for n_rows in (10, 100, 1_000, 10_000))


@dataclass(frozen=True, slots=True)
class Client:
    """A program that drives a server (`bench.peers.clients`), and the interpreter that has what it needs."""

    python: Path
    program: Path
    options: tuple[str, ...] = ()


CLIENTS = Path(__file__).parent / "clients"
TRITON = Client(ROOT / ".venv-clients" / "bin" / "python", CLIENTS / "triton.py")
TRITON_JSON = Client(TRITON.python, TRITON.program, ("--json",))
"""The same without binary tensors, which MLServer does not read over HTTP (github.com/SeldonIO/MLServer, issue 324)."""
POLARS = Client(Path(sys.executable), CLIENTS / "arrow.py")
BY_CLIENT = (ONE, BULK[-1])


@dataclass(frozen=True, slots=True)
class Case:
    """One way to ask a server, measured at some points. An echo's answer is not looked at.

    `client` is the program that asks, where it is not wrk.
    """

    name: str
    rows: Rows
    path: str = "/predict"
    format: Format = ARRAYS
    points: tuple[Point, ...] = (ONE, MANY, *BULK)
    is_echo: bool = False
    client: Client | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server and its cases. `launch` is called anew for each start, with an empty folder."""

    name: str
    launch: Callable[[Path], Launch]
    cases: tuple[Case, ...]
    on_both_cores: bool = False
    note: str = ""
    """What a reader of the table should know of how it runs."""


def litet_servers(iris: Rows, mixed: Rows, iris_models: Path, mixed_models: Path) -> list[Server]:
    """litet, with its defaults, on a repository of one model."""

    def launch(models: Path, *options: str) -> Callable[[Path], Launch]:
        return lambda _: Launch([str(SERVING / "litet"), "serve", "--port", "0", "--models", str(models), *options])

    return [
        Server(
            "litet",
            launch(iris_models),
            (
                Case("litet", iris),
                Case("litet, objects", iris, format=OBJECTS),
                Case("litet, columns", iris, format=COLUMNS),
                Case("litet, Arrow", iris, format=ARROW),
                Case("litet, v2", iris, INFER, TENSOR),
                Case("litet, v2 binary", iris, INFER, TENSOR_BYTES),
                Case("litet, v1", iris, "/v1/models/iris:predict", points=(ONE, MANY, BULK[-1])),
                Case("litet by tritonclient", iris, INFER, TENSOR_BYTES, BY_CLIENT, client=TRITON),
                Case("litet by tritonclient, JSON", iris, INFER, TENSOR, BY_CLIENT, client=TRITON_JSON),
                Case("litet by httpx and polars", iris, format=ARROW, points=BY_CLIENT, client=POLARS),
            ),
        ),
        Server(
            "litet, mixed table",
            launch(mixed_models),
            (Case("litet, mixed table", mixed, format=OBJECTS, points=(ONE, MANY, Point(1_000, 1))),),
        ),
        Server(
            "litet, 2 workers",
            launch(iris_models, "--workers", "2"),
            (Case("litet, 2 workers", iris, points=(MANY,)),),
            on_both_cores=True,
        ),
    ]


def echo_servers(rows: Rows, answer: Path) -> list[Server]:
    """A bare app that answers with the bytes of a file, on uvicorn's connection class and on litet's."""

    def launch(protocol: str) -> Callable[[Path], Launch]:
        def with_port(_: Path) -> Launch:
            (port,) = free_ports(1)
            return Launch(
                [str(SERVING / "python"), "-P", str(APPS / "echo_app.py"), str(port), str(answer), protocol], port
            )

        return with_port

    return [
        Server(name, launch(protocol), (Case(name, rows, points=(ONE, MANY), is_echo=True),))
        for name, protocol in (("echo", "uvicorn"), ("echo, litet's connection class", "litet"))
    ]


def peer_servers(rows: Rows) -> list[Server]:
    """The peers, each as documented, in an environment of its own. Making that may raise `RunFailed`."""

    def launch(name: str, *argv: str, **environ: str) -> Callable[[Path], Launch]:
        def with_port(_: Path) -> Launch:
            program, *options = argv
            (port,) = free_ports(1)
            filled = [option.format(port=port) for option in options]
            return Launch([str(environment(name) / program), *filled], port, {**_environ(), **environ}, APPS)

        return with_port

    uvicorn = ("--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "--log-level", "warning")
    bentoml = ("serve", "bentoml_app:Iris", "--host", "127.0.0.1", "--port", "{port}")
    return [
        Server(
            "FastAPI",
            launch("fastapi", "uvicorn", "fastapi_app:app", *uvicorn),
            (Case("FastAPI", rows), Case("FastAPI, orjson answer", rows, "/predict-orjson")),
            note=f"{version('fastapi')}, uvicorn with uvloop and httptools",
        ),
        Server(
            "MLServer",
            _mlserver,
            (
                Case("MLServer", rows, INFER, TENSOR),
                Case("MLServer by tritonclient, JSON", rows, INFER, TENSOR, BY_CLIENT, client=TRITON_JSON),
            ),
            note=f"{version('mlserver')} without its worker pool, its best case; all rows in one tensor",
        ),
        Server(
            "LitServe",
            launch("litserve", "python", "-P", "litserve_app.py", "{port}"),
            (Case("LitServe", rows),),
            note=f"{version('litserve')}, no batching",
        ),
        Server(
            "BentoML",
            launch("bentoml", "bentoml", *bentoml, BENTOML_DO_NOT_TRACK="True"),
            (Case("BentoML", rows),),
            note=f"{version('bentoml')}, `async def`",
        ),
    ]


def _mlserver(folder: Path) -> Launch:
    """Without its pool of workers, which is its best case for a small model; `debug` off ends its access log."""
    http_port, grpc_port, metrics_port = free_ports(3)
    settings = {
        "host": "127.0.0.1", "http_port": http_port, "grpc_port": grpc_port, "metrics_port": metrics_port,
        "debug": False, "parallel_workers": 0,
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps({"name": "iris", "implementation": "mlserver_app.Iris"}))
    argv = [str(environment("mlserver") / "mlserver"), "start", str(folder)]
    return Launch(argv, http_port, {**_environ(), "PYTHONPATH": str(APPS)}, folder)


def _environ() -> Mapping[str, str]:
    return {"MODEL": str(IRIS / "1" / "model.onnx"), "ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1"}
