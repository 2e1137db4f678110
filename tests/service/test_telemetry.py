"""Each request has an id and is counted once, by its route's template and its final status."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher

ROWS = {"instances": [[1, 2, 3, 4], [5, 6, 7, 8]]}

Start = Callable[..., TestClient[Litestar]]


@pytest.fixture
def client(publisher: Publisher, foundry: Any, start: Start) -> TestClient[Litestar]:
    foundry.publish(publisher)
    return start(access_log=True)


def metrics_of(client: TestClient[Litestar]) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_request_gets_an_id_of_its_own(client: TestClient[Litestar]) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/health/live", "/health/live", "/nothing")}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in ids)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc.DEF_1-2", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("two words", False),
        ("semi;colon", False),
        ("\xe9t\xe9", False),
    ],
)
def test_a_callers_id_is_kept_where_it_is_harmless(client: TestClient[Litestar], given: str, *, kept: bool) -> None:
    answer = client.get("/health/live", headers={b"x-request-id": given.encode("latin-1")})
    assert (answer.headers["x-request-id"] == given) is kept


def test_requests_are_counted_by_template_and_final_status(client: TestClient[Litestar]) -> None:
    client.post("/predict", json=ROWS)
    client.post("/predict", json={})
    client.post("/models/iris/predict", json=ROWS)
    client.post("/models/absent/predict", json=ROWS)
    client.get("/predict")
    client.get("/no/such/path")
    client.request("BREW", "/predict")
    metrics = metrics_of(client)
    counted = {
        name.removeprefix("litet_requests_total"): value
        for name, value in metrics.items()
        if name.startswith("litet_requests_total")
    }
    assert counted == {
        '{method="POST",route="/predict",status="200"}': 1,
        '{method="POST",route="/predict",status="422"}': 1,
        '{method="POST",route="/models/{name}/predict",status="200"}': 1,
        '{method="POST",route="/models/{name}/predict",status="404"}': 1,
        '{method="GET",route="other",status="405"}': 1,
        '{method="GET",route="other",status="404"}': 1,
        '{method="other",route="other",status="405"}': 1,
    }
    assert metrics['litet_request_seconds_count{route="/predict"}'] == 2
    assert metrics['litet_request_seconds_bucket{le="+Inf",route="/predict"}'] == 2


def test_rows_are_counted_by_model_and_version(client: TestClient[Litestar]) -> None:
    for _ in range(3):
        client.post("/predict", json=ROWS)
    assert metrics_of(client)['litet_rows_total{model="iris",version="1"}'] == 6


def test_metrics_are_prometheus_text(client: TestClient[Litestar]) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "_created" not in answer.text


def test_the_access_log_has_a_line_for_each_request(
    client: TestClient[Litestar], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="service.telemetry"):
        client.post("/predict", json={})
    (record,) = [record for record in caplog.records if record.name == "service.telemetry"]
    fields = vars(record)
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/predict", 422)
    assert fields["seconds"] > 0


def test_the_access_log_is_off_unless_asked_for(
    publisher: Publisher, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="service.telemetry"):
        start().get("/health/live")
    assert not [record for record in caplog.records if record.name == "service.telemetry"]


def test_apps_in_one_process_count_for_themselves(publisher: Publisher, foundry: Any, start: Start) -> None:
    foundry.publish(publisher)
    first, second = start(), start()
    first.post("/predict", json=ROWS)
    assert 'litet_rows_total{model="iris",version="1"}' in metrics_of(first)
    assert 'litet_rows_total{model="iris",version="1"}' not in metrics_of(second)
