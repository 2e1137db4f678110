"""The catalogue says what is served, what it takes and how good it is."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar
from litestar.testing import TestClient

from contract.schema import Schema
from service.catalogue import ModelDetails

Service = TestClient[Litestar]


def test_the_list_has_every_model_by_name(service: Service) -> None:
    models = service.get("/models").json()["models"]
    assert [model["name"] for model in models] == ["digits", "flags", "iris", "penguins"]
    assert models[1] == {"name": "flags", "version": 1, "n_features": 4, "classes": [False, True]}


def test_the_list_names_the_model_that_answers_where_none_is_named(
    service: Service, start: Any, publisher: Any, foundry: Any
) -> None:
    assert service.get("/models").json()["default"] == "iris"
    foundry.publish(publisher, "a")
    assert start().get("/models").json()["default"] == "a"
    foundry.publish(publisher, "b")
    assert start().get("/models").json()["default"] is None
    assert start(default_model="c").get("/models").json()["default"] is None


def test_a_model_tells_its_features_classes_metrics_and_versions(service: Service, foundry: Any) -> None:
    answer = service.get("/models/penguins")
    details = msgspec.json.decode(answer.content, type=ModelDetails)
    schema: Schema = foundry.mixed()
    assert details.features == schema.features
    assert details.classes == schema.labels
    assert details.target == "species"
    assert details.metrics.accuracy == 0.9
    assert len(details.sha256) == 64
    assert answer.json()["features"][1] == {
        "kind": "categorical",
        "name": "island",
        "missing": False,
        "categories": ["Biscoe", "Dream", "Torgersen"],
    }


def test_a_model_lists_versions_that_do_not_serve(service: Service) -> None:
    details = service.get("/models/iris").json()
    assert (details["version"], details["versions"]) == (1, [1, 2])
