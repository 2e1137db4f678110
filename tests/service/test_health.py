"""Live says that the process answers; ready, that a prediction can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher

Start = Callable[..., TestClient[Litestar]]


def test_a_service_with_a_model_is_live_and_ready(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    client = start()
    assert client.get("/health/live").json() == {"status": "live"}
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "models": {"iris": 1}})


def test_a_service_without_a_model_is_live_but_not_ready(start: Start) -> None:
    client = start()
    assert client.get("/health/live").status_code == 200
    for answer in (client.get("/health/ready"), client.post("/predict", json={"instances": [[1]]})):
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "no model is loaded"


def test_a_service_is_ready_only_with_its_default_model(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    client = start(default_model="other")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the default model 'other' is not loaded"
    assert client.post("/models/iris/predict", json={"instances": [[1, 2, 3, 4]]}).status_code == 200


def test_a_stopping_service_is_not_ready_but_answers(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    client = start()
    client.app.state.draining.started = True
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the process is stopping"
    answer = client.post("/predict", json={"instances": [[1, 2, 3, 4]]})
    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_probes_leave_connections_open(publisher: Publisher, foundry: Any, start: Start, path: str) -> None:
    foundry.publish(publisher)
    assert "connection" not in start().get(path).headers
