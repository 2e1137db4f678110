"""Real processes: the port, the workers, their metrics, their swaps, and how they stop."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from uvicorn.supervisors.multiprocess import Process

from contract.publishing import Publisher
from service.server import METRICS_VARIABLE, Supervisor
from service.settings import Settings

ROOT = Path(__file__).parents[2]
SERVE = """
import os
from service.server import serve
from service.settings import Settings
serve(Settings.from_env(os.environ))
"""
ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
PATIENCE_S = 30


class Server:
    """A service in processes of its own, and what it logs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        return str(self.wait_for("listening")["url"])

    def wait_for(self, message: str, count: int = 1) -> dict[str, Any]:
        """The `count`th line with this message, once it is there."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [line for line in self.lines if line["message"] == message]
            if len(found) >= count:
                return found[count - 1]
            self.lines.append(self._queue.get(timeout=max(0.01, deadline - time.monotonic())))

    def worker_pids(self, count: int) -> list[int]:
        """The processes that have loaded their models, in the order of their doing so."""
        self.wait_for("models loaded", count)
        return [line["pid"] for line in self.lines if line["message"] == "models loaded"]

    def predict(self) -> int:
        """The version that answers a connection of its own."""
        answer = httpx.post(f"{self.url}/predict", json=ROWS, timeout=PATIENCE_S)
        assert answer.status_code == 200
        return int(answer.json()["version"])

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """Kill what is left of it, and read to the end of its log."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._queue.put(json.loads(line))


@contextlib.contextmanager
def running(publisher: Publisher, **overrides: Any) -> Iterator[Server]:
    settings = Settings.from_env(
        {}, models=publisher.root, port=0, poll_interval_s=0.1, access_log=True, shutdown_timeout_s=20, **overrides
    )
    environ = {**os.environ, **settings.to_env(), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    server = Server(process)
    try:
        server.wait_for("listening")
        yield server
    finally:
        server.end()


def metrics_folder_of(pid: int) -> Path | None:
    """Where a worker and its like share their metrics."""
    variables = dict(line.partition(b"=")[::2] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    folder = variables.get(METRICS_VARIABLE.encode())
    return Path(folder.decode()) if folder else None


def n_predictions(server: Server) -> float:
    """How many successful predictions the workers have counted together."""
    text = httpx.get(f"{server.url}/metrics").text
    found = re.search(r'litet_requests_total\{method="POST",route="/predict",status="200"\} (\S+)', text)
    return float(found[1]) if found else 0.0


BODY = json.dumps(ROWS).encode()
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)


def finish(connection: socket.socket, rest: bytes) -> bytes:
    """All that comes back after the rest of a request, until the server closes the connection."""
    with connection, connection.makefile("rb") as answer:
        connection.sendall(rest)
        return answer.read()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_finishes_what_is_under_way_and_is_announced(publisher: Publisher, foundry: Any, workers: int) -> None:
    foundry.publish(publisher)
    with running(publisher, workers=workers, drain_delay_s=1.5) as server:
        folder = metrics_folder_of(server.worker_pids(workers)[0])
        assert (folder is not None and folder.is_dir()) == (workers > 1)
        assert server.predict() == 1
        under_way, silent = connect(server.url), connect(server.url)
        under_way.sendall(REQUEST[:-10])
        server.wait_until(lambda: httpx.get(f"{server.url}/health/ready").status_code == 200)
        server.process.send_signal(signal.SIGTERM)
        server.wait_until(lambda: httpx.get(f"{server.url}/health/ready").status_code == 503)
        assert server.predict() == 1  # not ready, yet serving
        server.wait_for("Shutting down", workers)
        for connection, rest in ((silent, REQUEST), (under_way, REQUEST[-10:])):
            answer = finish(connection, rest)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
        assert server.exit_code() == 0
    assert folder is None or not folder.exists()


def test_an_interrupt_stops_at_once_with_success(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    with running(publisher, drain_delay_s=3600.0) as server:
        assert server.predict() == 1
        server.process.send_signal(signal.SIGINT)
        assert server.exit_code() == 0
        assert not [line for line in server.lines if line["level"] == "error"]


def test_workers_swap_count_and_come_back(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    with running(publisher, workers=2) as server:
        first, second = server.worker_pids(2)
        for _ in range(20):
            assert server.predict() == 1

        # Metrics add up, whichever worker is asked. A request is counted when its answer has left.
        server.wait_until(lambda: n_predictions(server) == 20)
        for _ in range(5):
            text = httpx.get(f"{server.url}/metrics").text
            assert n_predictions(server) == 20
            assert 'litet_rows_total{model="iris",version="1"} 20.0' in text
            assert 'litet_model_version{model="iris"} 1.0' in text

        # Every worker swaps.
        foundry.publish(publisher, seed=1)
        server.wait_for("a version serves", 4)
        swapped = [line["pid"] for line in server.lines if line.get("replaced") == 1]
        assert sorted(swapped) == sorted([first, second])
        assert {server.predict() for _ in range(20)} == {2}

        # A worker that is killed is replaced, and what it counted stays counted.
        server.wait_until(lambda: n_predictions(server) == 40)
        os.kill(first, signal.SIGKILL)
        server.wait_until(lambda: not is_running(first))
        assert server.predict() == 2
        replacement = server.worker_pids(3)[2]
        assert replacement not in (first, second)
        assert {server.predict() for _ in range(20)} == {2}
        server.wait_until(lambda: n_predictions(server) == 61)
        text = httpx.get(f"{server.url}/metrics").text
        assert re.findall(r"litet_model_version.*", text)[-1] == 'litet_model_version{model="iris"} 2.0'

        # Workers do not outlive their supervisor.
        server.process.kill()
        server.wait_until(lambda: not any(is_running(pid) for pid in (second, replacement)))


def test_a_worker_that_dies_while_it_is_asked_is_not_waited_for(monkeypatch: Any) -> None:
    monkeypatch.setattr("uvicorn.supervisors.multiprocess.signal.signal", lambda *_: None)
    config = uvicorn.Config("service.server:worker_app")
    supervisor, worker = Supervisor(config, []), Process(config, [])  # never started: nobody else has its end
    supervisor.processes = [worker]
    supervisor.should_exit.set()
    supervisor.keep_subprocess_alive()
    assert not worker.ping(timeout=3600)
    worker.parent_conn.close()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_chunked_body_beyond_the_limit_is_refused_before_its_end(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    with running(publisher, max_body_bytes=100_000) as server:
        with connect(server.url) as connection:
            head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(110):
                connection.sendall(b"3e8\r\n" + b" " * 1000 + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        assert server.predict() == 1


@pytest.mark.parametrize(
    "start",
    [
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: ",
        b"GET /",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    ],
)
def test_what_a_request_holds_beside_its_body_has_an_end(publisher: Publisher, foundry: Any, start: bytes) -> None:
    foundry.publish(publisher)
    with running(publisher) as server:
        with connect(server.url) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(start)
            for _ in range(1000):
                connection.sendall(b"x" * 10_000)
            raise AssertionError("ten megabytes were taken")
        assert server.predict() == 1


def test_workers_that_are_stopping_leave_no_connection_waiting(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    with running(publisher, workers=2) as server, connect(server.url) as slow:
        server.worker_pids(2)
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        server.process.terminate()

        def refused() -> bool:
            try:
                connect(server.url).close()
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:  # the socket was closed while this one was being connected
                return False
            return False

        server.wait_until(refused)
        assert server.process.poll() is None
        slow.close()
        assert server.exit_code() == 0


def test_a_service_without_models_starts_and_says_how_to_get_one(publisher: Publisher, foundry: Any) -> None:
    with running(publisher) as server:
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        assert httpx.get(f"{server.url}/health/ready").status_code == 503
        server.wait_for("no model yet: train and promote one, or point LITET_MODELS at a model repository")
        foundry.publish(publisher)
        server.wait_until(lambda: httpx.get(f"{server.url}/health/ready").status_code == 200)
        assert server.predict() == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_state_folder_that_cannot_be_used_is_an_error_in_one_line(tmp_path: Path, workers: int) -> None:
    (tmp_path / "state").write_text("")
    settings = Settings(
        models=tmp_path, port=0, workers=workers, admin_keys=f"ops:{'0' * 64}", state=tmp_path / "state"
    )
    script = SERVE.replace(
        "serve(Settings.from_env(os.environ))",
        "from contract.errors import InvalidSettings\n"
        "try:\n    serve(Settings.from_env(os.environ))\n"
        "except InvalidSettings as error:\n    raise SystemExit(str(error))",
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LITET_")}
    environ = {**inherited, **settings.to_env(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"LITET_STATE must be a folder that can be written to, got {tmp_path / 'state'}: ")
