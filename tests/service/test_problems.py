"""A fault of ours says nothing of our insides to the caller, and everything to the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

import contract.errors
import service.errors
from contract.errors import ArtifactError, CallerError, LitetError
from contract.publishing import Publisher
from service.errors import ReportedNotReady
from service.predictor import Predictor
from service.problems import KINDS

Start = Callable[..., TestClient[Litestar]]


def test_an_unforeseen_error_is_logged_and_kept_from_the_caller(
    publisher: Publisher, foundry: Any, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Predictor, tensors: Any) -> None:
        raise RuntimeError("the secret of /srv/insides")

    foundry.publish(publisher)
    client = start()
    monkeypatch.setattr(Predictor, "predict", fail)
    answer = client.post("/predict", json={"instances": [[1, 2, 3, 4]]}, headers={"x-request-id": "abc-123"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == "abc-123"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert "the secret of /srv/insides" in str(record.exc_info[1])
    monkeypatch.undo()
    assert client.post("/predict", json={"instances": [[1, 2, 3, 4]]}).status_code == 200


def test_every_error_on_purpose_has_a_status() -> None:
    errors = {
        value
        for module in (contract.errors, service.errors)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, LitetError) and value is not LitetError
    }
    for error in errors:
        assert any(base in KINDS for base in error.__mro__), error


def test_callers_faults_are_4xx_and_ours_5xx() -> None:
    for error, (status, _name, _title) in KINDS.items():
        if error is not ReportedNotReady:  # the protocol's own number
            assert (400 <= status < 500) == issubclass(error, CallerError), error
    assert KINDS[ArtifactError][0] >= 500
