"""Readers of two schemas, and answers of a model made for any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract.errors import Fault
from contract.publishing import Publisher
from contract.repository import Repository
from contract.schema import Schema
from contract.tensors import RowReader
from service.formats.scored import Scored
from service.predictor import Predictor


@pytest.fixture
def iris(foundry: Any) -> RowReader:
    return RowReader(foundry.numeric())


@pytest.fixture
def penguins(foundry: Any) -> RowReader:
    return RowReader(foundry.mixed())


@pytest.fixture
def score(foundry: Any, publisher: Publisher) -> Callable[..., Scored]:
    def score_rows(schema: Schema, rows: list[Any], faults: dict[int, Fault] | None = None) -> Scored:
        foundry.publish(publisher, "made", schema)
        predictor = Predictor(Repository(publisher.root).read("made", 1))
        tensors = predictor.reader.read(rows)
        return Scored.alone(predictor, predictor.predict(tensors), tensors.unseen, faults)

    return score_rows
