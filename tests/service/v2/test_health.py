"""Readiness in the protocol's terms: 200 or 400, and a body for clients that look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher

Start = Callable[..., TestClient[Litestar]]


def test_a_server_with_a_model_is_live_and_ready(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    client = start()
    for path in ("/v2/health/live", "/v2/health/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"live": True, "ready": True})


def test_a_server_without_a_model_is_live_but_not_ready(start: Start) -> None:
    client = start()
    assert client.get("/v2/health/live").json() == {"live": True, "ready": False}
    answer = client.get("/v2/health/ready")
    assert (answer.status_code, answer.json()) == (400, {"error": "no model is loaded"})
    assert answer.headers["content-type"] == "application/json"


def test_a_server_is_not_ready_without_its_default_model_nor_while_it_stops(
    publisher: Publisher, foundry: Any, start: Start
) -> None:
    foundry.publish(publisher)
    client = start(default_model="other")
    answer = client.get("/v2/health/ready")
    assert (answer.status_code, answer.json()) == (400, {"error": "the default model 'other' is not loaded"})
    client = start()
    client.app.state.draining.started = True
    answer = client.get("/v2/health/ready")
    assert (answer.status_code, answer.json()) == (400, {"error": "the process is stopping"})
    assert client.get("/v2/health/live").json() == {"live": True, "ready": False}


@pytest.mark.parametrize("path", ["iris", "iris/versions/1", "iris/versions/2"])
def test_a_model_is_ready_with_any_version_that_loads(service: TestClient[Litestar], path: str) -> None:
    answer = service.get(f"/v2/models/{path}/ready")
    assert (answer.status_code, answer.json()) == (200, {"name": "iris", "ready": True})


@pytest.mark.parametrize(
    "path",
    ["none", "IRIS", "none/versions/1"]
    + [f"iris/versions/{version}" for version in ("3", "0", "01", "x", "-1", "1.0")],
)
def test_what_is_not_published_is_not_found(service: TestClient[Litestar], path: str) -> None:
    answer = service.get(f"/v2/models/{path}/ready")
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_a_published_model_that_is_not_loaded_is_not_ready(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher, promote=False)
    foundry.publish(publisher, "broken", model=b"no model")
    client = start()
    for path in ("iris", "iris/versions/1", "broken"):
        answer = client.get(f"/v2/models/{path}/ready")
        assert answer.status_code == 400
        assert answer.json()["error"].endswith("is not loaded")
    assert client.get("/v2/models/iris/versions/2/ready").status_code == 404


def test_a_version_that_must_not_be_served_is_not_ready(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    foundry.publish(publisher, model=b"no model", promote=False)
    client = start()
    answer = client.get("/v2/models/iris/versions/2/ready")
    assert answer.status_code == 400
    assert answer.json() == {"error": "version 2 of 'iris' must not be served; the log says why"}
    assert client.get("/v2/models/iris/ready").status_code == 200
