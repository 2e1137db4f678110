"""Models as clients of TensorFlow Serving and KServe look for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher


def test_the_root_says_that_the_process_is_alive(service: TestClient[Litestar]) -> None:
    assert service.get("/").json() == {"status": "alive"}


def test_models_are_listed_by_name(service: TestClient[Litestar]) -> None:
    answer = service.get("/v1/models")
    assert (answer.status_code, answer.json()) == (200, {"models": ["digits", "flags", "iris", "penguins"]})


def test_a_loaded_model_is_ready_with_its_current_version(service: TestClient[Litestar]) -> None:
    answer = service.get("/v1/models/iris")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "name": "iris",
        "ready": True,
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ],
    }


@pytest.mark.parametrize("name", ["none", "IRIS", "..", "iris:predict"])
def test_an_unknown_model_is_not_found(service: TestClient[Litestar], name: str) -> None:
    answer = service.get(f"/v1/models/{name}")
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_a_published_model_that_is_not_loaded_is_unavailable(
    publisher: Publisher, foundry: Any, start: Callable[..., TestClient[Litestar]]
) -> None:
    foundry.publish(publisher, promote=False)
    answer = start().get("/v1/models/iris")
    assert (answer.status_code, answer.json()) == (503, {"error": "the model 'iris' is not loaded"})
