"""The real app in this process, with what a network and a gateway may do in between; and both clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from litestar.testing import TestClient

from contract.publishing import Publisher
from contract.schema import Schema
from litet.client import AsyncClient, Client, Predictions
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import Foundry

URL = "http://service.test"
IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROW = [5.1, 3.5, 1.4, 0.2]
MANY = [ROW] * 20
"""More rows than go as JSON."""
PENGUIN = {"bill_mm": [40.0, None], "island": ["Dream", "Atlantis"], "mass_g": [3.5, 4.5], "sex": [None, "male"]}
Happening = httpx.Response | httpx.RequestError | Callable[[], None]
"""What comes instead of the service's answer; or something that happens before it."""


class InProcess:
    """A service whose models the test publishes. `asked` are the requests that reached it, or would have."""

    def __init__(self, root: Path, default_model: str | None = None) -> None:
        self.foundry = Foundry()
        self.publisher = Publisher(root / "models")
        self.asked: list[httpx.Request] = []
        self.happenings: list[Happening | None] = []
        self._settings = Settings.from_env(
            {}, models=self.publisher.root, poll_interval_s=3600.0, default_model=default_model
        )
        self._app: TestClient[Any] | None = None

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.asked]

    @contextmanager
    def running(self) -> Iterator[None]:
        with TestClient(create_app(self._settings)) as self._app:
            yield

    def publish(self, name: str, schema: Schema, *, seed: int = 0) -> None:
        """Publish a version, which serves from now on."""
        self.foundry.publish(self.publisher, name, schema, seed=seed)
        if self._app:
            self._app.blocking_portal.call(self._app.app.state.watcher.poll)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        happening = self.happenings.pop(0) if self.happenings else None
        if isinstance(happening, httpx.Response):
            return _copy(happening, request)
        if isinstance(happening, Exception):
            raise happening
        if happening:
            happening()
        assert self._app is not None
        request.stream = httpx.ByteStream(request.content)
        return _copy(self._app._transport.handle_request(request), request)


def _copy(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    """A response that either kind of client can read, and that belongs to one request."""
    return httpx.Response(response.status_code, headers=response.headers, content=response.read(), request=request)


class Awaited:
    """An AsyncClient whose calls are awaited right here."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *arguments, **options: self._runner.run(method(*arguments, **options))

    def close(self) -> None:
        with self._runner:
            self._runner.run(self._client.aclose())


def connect(kind: str, service: InProcess, **options: Any) -> Any:
    """A client of either kind, to be closed by the caller."""
    transport = httpx.MockTransport(service.answer)
    if kind == "async":
        return Awaited(AsyncClient(URL, transport=transport, **options))
    return Client(URL, transport=transport, **options)


def answer_in_json(service: InProcess, path: str, rows: list[list[Any]]) -> dict[str, Any]:
    """What the service says to rows, without a client."""
    request = httpx.Request("POST", f"{URL}{path}", json={"instances": rows})
    answer: dict[str, Any] = service.answer(request).raise_for_status().json()
    return answer


def check(predictions: Predictions, expected: dict[str, Any]) -> None:
    """Whether predictions are what the service says in JSON, to the last bit."""
    rows = expected["predictions"]
    assert (predictions.model, predictions.version) == (expected["model"], expected["version"])
    assert predictions.labels == [row["label"] for row in rows]
    assert (predictions.class_index.dtype, predictions.class_index.tolist()) == (
        np.int64,
        [row["class_index"] for row in rows],
    )
    for name in ("probabilities", "logits"):
        numbers = getattr(predictions, name)
        assert numbers.dtype == np.float32
        assert numbers.tolist() == np.array([row[name] for row in rows], np.float32).tolist()
    assert predictions.unseen == {row: one["unseen"] for row, one in enumerate(rows) if "unseen" in one}
    assert len(predictions) == len(rows)
