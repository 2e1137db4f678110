"""A version that does worse on real rows is rolled back, once however many workers notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import numpy_helper

from contract.publishing import Publisher
from tests.service.admin.conftest import wait_until

LARGE = {"instances": [[3e38, 3e38, 3e38, 3e38]]}
"""Finite in float32, and times small weights as well."""
TEXT = {"instances": [["large", 1, 2, 3]]}
N_REQUESTS = 60

Publish = Callable[[float], None]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.watch_window.TICK_S", 0.01)


@pytest.fixture
def publish(publisher: Publisher, foundry: Any) -> Publish:
    """Promotes a version of iris whose weights are of a size."""

    def publish(size: float) -> None:
        schema = foundry.numeric()
        weight, _, bias = foundry._weights(schema, 0)
        weight = (weight * np.float32(size)).astype(np.float32)
        graph = foundry.graph(schema)
        next(one for one in graph.graph.initializer if one.name == "weight").CopyFrom(
            numpy_helper.from_array(weight, "weight")
        )
        probe = msgspec.structs.replace(foundry.probe(schema), x_num=((5.1, 3.5, 1.4, 0.2),))
        logits = np.array(probe.x_num, np.float32) @ weight + bias
        probe = msgspec.structs.replace(probe, x_cat=((),), logits=(tuple(logits[0].astype(float).tolist()),))
        card = publisher.publish("iris", graph.SerializeToString(), foundry.report(schema, probe))
        publisher.promote("iris", card.version)

    return publish


def ask(admin: Any, body: Any) -> set[int]:
    return {admin.client.post("/predict", json=body).status_code for _ in range(N_REQUESTS)}


def n_rollbacks(admin: Any) -> int:
    return sum(action == "model.roll_back" for _, action, _ in admin.audit())


def test_answers_that_are_not_finite_roll_a_version_back_once(
    open_admin: Any, publisher: Publisher, publish: Publish
) -> None:
    workers = [open_admin(), open_admin()]
    publish(1e-3)
    for worker in workers:
        worker.poll()
        assert ask(worker, LARGE) == {200}
    publish(1.0)
    for worker in workers:
        worker.poll()
    for worker in workers:
        assert ask(worker, LARGE) == {422}
    wait_until(lambda: publisher.current("iris").version == 2)
    wait_until(lambda: n_rollbacks(workers[0]) == 1)
    for worker in workers:
        worker.poll()
        assert ask(worker, LARGE) == {200}
    assert publisher.current("iris").sequence == 4
    assert ("litet", "model.roll_back", "iris/3") in workers[0].audit()
    assert n_rollbacks(workers[0]) == 1
    assert sum(worker.metric('litet_rollbacks_total{model="iris"}') for worker in workers) == 1


def test_refused_rows_roll_a_version_back(open_admin: Any, publisher: Publisher, foundry: Any) -> None:
    admin = open_admin()
    row = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    assert ask(admin, row) == {200}
    foundry.publish(publisher, schema=foundry.mixed())
    admin.poll()
    assert ask(admin, row) == {422}
    wait_until(lambda: publisher.current("iris").version == 1)


def test_rows_that_never_fitted_roll_nothing_back(open_admin: Any, publisher: Publisher, publish: Publish) -> None:
    admin = open_admin()
    assert ask(admin, TEXT) == {422}
    publish(1.0)
    admin.poll()
    assert ask(admin, TEXT) == {422}
    assert publisher.current("iris").version == 2


def test_without_a_window_nothing_is_rolled_back(open_admin: Any, publisher: Publisher, publish: Publish) -> None:
    admin = open_admin(watch_window_s=0)
    publish(1e-3)
    admin.poll()
    ask(admin, LARGE)
    publish(1.0)
    admin.poll()
    assert ask(admin, LARGE) == {422}
    assert publisher.current("iris").version == 3
