"""Version 1's `predict` answers what the same rows get from our own route."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

Service = TestClient[Litestar]

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
PENGUIN = {"bill_mm": 40.1, "island": "?", "mass_g": None, "sex": "male"}


@pytest.mark.parametrize(
    ("model", "rows"), [("iris", ROWS), ("penguins", [PENGUIN]), ("digits", ROWS), ("flags", ROWS)]
)
@pytest.mark.parametrize("more", [{}, {"signature_name": "serving_default"}, {"parameters": {"a": 1}}])
def test_predictions_are_those_of_our_own_route(
    service: Service, model: str, rows: list[Any], more: dict[str, Any]
) -> None:
    answer = service.post(f"/v1/models/{model}:predict", json={"instances": rows, **more})
    ours = service.post(f"/models/{model}/predict", json={"instances": rows}).json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"predictions": ours["predictions"]}


def test_a_version_is_answered_by_its_number(service: Service) -> None:
    answers = [
        service.post(f"/v1/models/iris/versions/{version}:predict", json={"instances": ROWS}).json()
        for version in (1, 2)
    ]
    ours = service.post("/models/iris/versions/2/predict", json={"instances": ROWS}).json()
    assert answers[1] == {"predictions": ours["predictions"]} != answers[0]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("iris:predict", {"instances": [[1, 2, 3]]}, 400, "row 0: expected 4 values"),
        ("iris:predict", {"instances": []}, 400, "at least one row"),
        ("iris:predict", {"instances": [[0] * 4] * 5001}, 413, "at most 5000 rows"),
        ("iris:predict", {"inputs": [[1, 2, 3, 4]]}, 400, '{"instances": [row, …]}'),
        ("iris:predict", {"instances": ROWS, "signature_name": 1}, 400, "signature_name"),
        ("none:predict", {"instances": ROWS}, 404, "got 'none'"),
        ("iris:explain", {"instances": ROWS}, 404, "must end with :predict"),
        ("iris", {"instances": ROWS}, 405, "with a method that it allows"),
        ("iris/versions/9:predict", {"instances": ROWS}, 404, "9"),
        ("iris/versions/x:predict", {"instances": ROWS}, 404, "got 'x'"),
        ("iris/versions/1", {"instances": ROWS}, 404, "must end with :predict"),
    ],
)
def test_errors_have_the_shape_that_clients_read(
    service: Service, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    answer = service.post(f"/v1/models/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]


def test_another_type_is_refused(service: Service) -> None:
    answer = service.post("/v1/models/iris:predict", content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, list(answer.json())) == (415, ["error"])
