"""A service's admin API, played from a script by a real HTTP server on a free port."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "litet_key-of-ci"
RETRY = b"retry: 10\n\n"
"""Lets a client come back at once."""
HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"
TIME = "2026-01-01T00:00:00Z"
FINDING = {"check": "leak", "column": "tail", "detail": "tells the label", "value": 0.99, "limit": 0.95}
METRICS = {
    "n_samples": 9, "accuracy": 0.9, "balanced_accuracy": 0.88, "macro_f1": 0.87, "log_loss": 0.3, "brier": 0.2,
    "ece": 0.05, "majority_accuracy": 0.5, "confusion_matrix": [[4, 1], [0, 4]],
    "per_class": [{"label": label, "n_samples": 4, "precision": 1, "recall": 1, "f1": 1} for label in ("owl", "crow")],
}  # fmt: skip
COMPARISON = {
    "metric": "log_loss", "champion": 0.2, "challenger": 0.3, "worse_by": 0.1, "low": 0.05, "high": 0.15,
    "tolerance": 0.02, "passed": False,
}  # fmt: skip
REPLAY = {
    "n_requests": 3, "n_rows": 7, "n_refused": 1, "label_flip_rate": 0.5, "max_probability_change": 0.4,
    "max_label_flips": 0.25, "passed": False,
}  # fmt: skip
GATE = {
    "passed": False, "reasons": ["log_loss is worse"], "champion": 2, "sequence": 5, "n_held_out": 9,
    "held_out_sha256": "0" * 64, "comparisons": [COMPARISON], "replay": REPLAY, "schema_changes": ["tail is gone"],
    "findings": [], "notes": ["few rows"],
}  # fmt: skip
PASSED = GATE | {"passed": True, "reasons": [], "replay": None, "comparisons": [COMPARISON | {"passed": True}]}


def job(number: int = 1, **fields: Any) -> dict[str, Any]:
    known = {
        "id": f"job{number:013}", "number": number, "model": "birds", "state": "running", "outcome": None,
        "version": None, "dataset": "birds", "dataset_version": None, "target": "bird", "promote": "auto",
        "requested_by": "ci", "note": "", "created_at": TIME, "started_at": TIME, "finished_at": None, "error": None,
        "progress": None, "added_by_a_later_version": 1,
    }  # fmt: skip
    return known | fields


def succeeded(outcome: str, number: int = 1) -> dict[str, Any]:
    gate = GATE if outcome == "held" else PASSED
    finding = FINDING | {"refused": False}
    known = {"version": 3, "finished_at": TIME, "metrics": METRICS, "gate": gate, "findings": [finding], "log": []}
    return job(number, state="succeeded", outcome=outcome, **known)


def event(number: int, name: str, **fields: Any) -> bytes:
    data = json.dumps({"event": name, "time": TIME, **fields})
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n".encode()


def epoch(number: int, of: int = 10) -> dict[str, Any]:
    losses = {"train_loss": 0.5, "valid_loss": 0.25, "gradient_norm": 1.0, "update_ratio": 0.01}
    return {"record": {"epoch": number, **losses}, "max_epochs": of, "seconds": 2.0}


def run_of(outcome: str) -> list[bytes]:
    """All events of a job that succeeds."""
    return [
        event(1, "stage", stage="reading"),
        event(2, "finding", finding=FINDING | {"refused": False}),
        event(3, "stage", stage="fitting"),
        event(4, "epoch", **epoch(5)),
        event(5, "gate", gate=GATE if outcome == "held" else PASSED, metrics=METRICS),
        event(6, "succeeded", version=3, outcome=outcome),
    ]


class Asked(NamedTuple):
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Break(NamedTuple):
    """Cuts the connection before the stream's end."""


class Silence(NamedTuple):
    """Says nothing more, until the test is over."""


Step = bytes | Break | Silence
Connection = int | list[Step]
"""What one request for the events meets: a status, or what is streamed."""


class FakeAdmin:
    """The state of the API, and all that it was asked.

    `jobs` by id, newest first. `streams` are used up one a request for events; the last one serves all that follow.
    From the beginning of the last stream on, the job is shown as each of `shown` in turn, then as the last of them.
    `answers` overrides the answer of `METHOD path` with status, content type and body.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.streams: list[Connection] = [run_of("promoted")]
        self.shown: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.over = threading.Event()
        self._versions: set[str] = set()
        self._begun_last = False

    def add(self, *jobs: dict[str, Any]) -> None:
        self.jobs |= {one["id"]: one for one in jobs}

    def play(self, *streams: Connection, shown: list[dict[str, Any]]) -> None:
        self.streams = list(streams)
        self.shown = shown

    def refuse(self, what: str, status: int, detail: str, **fields: Any) -> None:
        problem = {"type": "urn:litet:problem:x", "title": "x", "status": status, "detail": detail, **fields}
        self.answers[what] = status, "application/problem+json", json.dumps(problem).encode()

    def asked_for(self, method: str, path: str) -> list[Asked]:
        return [one for one in self.asked if (one.method, one.path) == (method, path)]

    def answer(self, asked: Asked) -> tuple[int, Any]:
        parts = asked.path.strip("/").split("/")
        match asked.method, parts:
            case "PUT", ["admin", "datasets", name]:
                return self._dataset(name, asked)
            case "POST", ["admin", "retrain"] | ["admin", "models", _, "retrain"]:
                made = job(len(self.jobs) + 1, state="queued")
                self.add(made)
                return 202, made
            case "GET", ["admin", "jobs"]:
                return 200, {"jobs": sorted(self.jobs.values(), key=lambda one: -one["number"])}
            case "GET", ["admin", "jobs", job_id] if job_id in self.jobs:
                return 200, self._shown(job_id)
            case "POST", ["admin", "jobs", job_id, "cancel"] if job_id in self.jobs:
                self.jobs[job_id] |= {"state": "cancelled"}
                return 200, self.jobs[job_id]
        return 404, {"type": "urn:litet:problem:not-found", "detail": f"there must be such a thing, got {asked.path}"}

    def next_stream(self) -> Connection:
        if len(self.streams) > 1:
            return self.streams.pop(0)
        self._begun_last = True
        return self.streams[0]

    def _shown(self, job_id: str) -> dict[str, Any]:
        if self._begun_last and self.shown:
            return self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        return self.jobs[job_id]

    def _dataset(self, name: str, asked: Asked) -> tuple[int, Any]:
        version = hashlib.sha256(asked.body).hexdigest()
        is_new = version not in self._versions
        self._versions.add(version)
        facts = {"n_rows": 60, "n_columns": 4, "columns": [], "warnings": ["a row is empty"], "created_at": TIME}
        return 201 if is_new else 200, {"name": name, "version": version, "format": ".csv", "size_bytes": 1, **facts}


@contextmanager
def running_admin() -> Iterator[FakeAdmin]:
    """A fake admin API that listens, gone at the end."""
    admin = FakeAdmin()
    server = Server(admin)
    admin.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield admin
    finally:
        admin.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Server(ThreadingHTTPServer):
    """Hands each of its handlers the script."""

    daemon_threads = False  # closing the server waits for them

    def __init__(self, admin: FakeAdmin) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.admin = admin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave before the end, as those of a watched job do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def admin(self) -> FakeAdmin:
        assert isinstance(self.server, Server)
        return self.server.admin

    def _serve(self) -> None:
        self.close_connection = True  # so that no request waits in a thread for the next one
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): text for name, text in self.headers.items()}
        asked = Asked(self.command, unquote(url.path), parse_qs(url.query), headers, body)
        self.admin.asked.append(asked)
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._send(401, "application/problem+json", b'{"type": "urn:x", "detail": "a key is needed"}')
        elif known := self.admin.answers.get(f"{asked.method} {asked.path}"):
            self._send(*known)
        elif asked.path.endswith("/events"):
            self._stream(int(self.headers.get("Last-Event-ID", 0)))
        else:
            status, answer = self.admin.answer(asked)
            self._send(status, "application/json", json.dumps(answer).encode())

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 # the names that http.server looks for

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, last_id: int) -> None:
        stream = self.admin.next_stream()
        if isinstance(stream, int):
            self._send(stream, "application/json", b'{"type": "urn:x", "detail": "restarting"}')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self._chunk(RETRY)
        for step in stream:
            if isinstance(step, Break):
                return
            if isinstance(step, Silence):
                self.admin.over.wait()
                return
            if not step.startswith(b"id: ") or int(step[4:].partition(b"\n")[0]) > last_id:
                self._chunk(step)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def log_message(self, *_arguments: object) -> None:
        """Keep the tests' output clean."""
