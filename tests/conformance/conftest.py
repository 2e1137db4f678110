"""One service for all tests, which change nothing that others look at, and our own client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.live import PATIENCE_S, Live, live_service
from tests.conformance.native import Native
from tests.conformance.trained import train


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def live(models: Path) -> Iterator[Live]:
    with live_service(models) as service:
        yield service


@pytest.fixture(scope="session")
def http(live: Live) -> Iterator[httpx.Client]:
    """For what is asked by hand."""
    with httpx.Client(base_url=live.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="session")
def native(http: httpx.Client) -> Native:
    return Native(http)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """What runs the tests that are coroutines."""
    return "asyncio"
