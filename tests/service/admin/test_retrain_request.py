"""A request to retrain is resolved against what serves, and refused with the field that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.config import ColumnChoice, make_config
from contract.job import Order
from contract.publishing import Publisher

CSV = b"sepal_length,petal_length,species\n5.1,1.4,setosa\n"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ordered(admin: Any, state: Path) -> Any:
    """The order that a request comes to, once its job is over."""

    def order(model: str = "iris", **body: Any) -> Order:
        job_id = admin.order("fail", model, **body)
        admin.wait(job_id)
        return msgspec.json.decode((state / "jobs" / job_id / "order.json").read_bytes(), type=Order)

    return order


def publish(publisher: Publisher, foundry: Any, **changes: Any) -> None:
    """Another version of iris, with a card that says so."""
    schema = foundry.numeric()
    report = msgspec.structs.replace(foundry.report(schema, foundry.probe(schema)), **changes)
    publisher.promote("iris", publisher.publish("iris", foundry.model(schema), report).version)


def refusal(admin: Any, **body: Any) -> tuple[int, str]:
    answer = admin.retrain("fail", **body)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def test_what_is_left_out_is_taken_from_what_serves(
    admin: Any, ordered: Any, publisher: Publisher, foundry: Any, state: Path
) -> None:
    columns = ColumnChoice(exclude=("id",), categorical=("zip",))
    publish(publisher, foundry, config=make_config("reference", seed=7).to_json(), columns=columns)
    version = admin.put("/datasets/flowers", CSV).json()["version"]
    order = ordered(dataset="flowers")
    assert order.target == "species"
    assert order.config == make_config("reference", seed=7)
    assert order.columns == columns
    assert order.table == str(state / "datasets" / "flowers" / version / "table.csv")
    assert order.dataset == "flowers"
    assert order.requested_by == "ops"
    assert (order.promote, order.data_checks) == ("auto", "refuse")


def test_a_preset_replaces_the_options_and_config_overrides_single_ones(
    ordered: Any, publisher: Publisher, foundry: Any
) -> None:
    publish(publisher, foundry, config=make_config(seed=7, lr=0.5).to_json())
    assert ordered(config={"lr": 0.25}).config == make_config(seed=7, lr=0.25)
    assert ordered(preset="reference").config == make_config("reference")
    assert ordered(preset="default", config={"seed": 3}).config == make_config(seed=3)


def test_a_choice_of_columns_replaces_that_of_what_serves(ordered: Any, publisher: Publisher, foundry: Any) -> None:
    publish(publisher, foundry, columns=ColumnChoice(include=("a",), exclude=("b",)))
    assert ordered(exclude=[], categorical=["c"]).columns == ColumnChoice(include=("a",), categorical=("c",))


def test_options_that_no_longer_exist_are_left_out(ordered: Any, publisher: Publisher, foundry: Any) -> None:
    publish(publisher, foundry, config={"seed": 4, "momentum": 0.9})
    assert ordered().config == make_config(seed=4)


def test_the_limits_of_the_gate_are_those_of_the_settings(open_admin: Any, state: Path) -> None:
    admin = open_admin(log_loss_tolerance=0.5, balanced_accuracy_tolerance=0.25, max_label_flips=0.125)
    job_id = admin.order("fail")
    admin.wait(job_id)
    limits = msgspec.json.decode((state / "jobs" / job_id / "order.json").read_bytes(), type=Order).limits
    assert (limits.log_loss_tolerance, limits.balanced_accuracy_tolerance, limits.max_label_flips) == (0.5, 0.25, 0.125)


def test_a_version_of_a_dataset_is_named_by_its_beginning(admin: Any, ordered: Any) -> None:
    version = admin.put("/datasets/flowers", CSV).json()["version"]
    admin.put("/datasets/flowers", CSV + b"4,1,setosa\n")
    assert version in ordered(dataset="flowers", dataset_version=version[:8]).table


def test_a_model_that_is_not_there_must_be_meant_to_be_made(admin: Any, publisher: Publisher) -> None:
    answer = admin.retrain("publish succeed", "new")
    assert answer.status_code == 404
    assert '"create": true' in answer.json()["detail"]
    done = admin.wait(admin.order("publish succeed", "new", create=True))
    assert (done["outcome"], done["version"]) == ("promoted", 1)
    assert publisher.current("new").version == 1


@pytest.mark.parametrize("name", ["%2e%2e", "Iris", "a" * 65, ".litet"])
@pytest.mark.parametrize("create", [False, True])
def test_a_name_that_is_none_is_refused(admin: Any, name: str, create: bool) -> None:
    assert admin.retrain("fail", name, create=create).status_code == 422
    assert admin.jobs() == []


def test_a_dataset_that_is_not_there_is_answered_with_those_that_are(admin: Any) -> None:
    admin.put("/datasets/flowers", CSV)
    status, detail = refusal(admin, dataset="flower")
    assert status == 404
    assert "(flowers, iris, wine, breast_cancer, digits), got 'flower'" in detail
    status, detail = refusal(admin, dataset="flowers", dataset_version="0" * 8)
    assert (status, "in version '00000000'" in detail) == (404, True)
    assert refusal(admin, dataset="iris", dataset_version="0" * 8)[0] == 404
    assert refusal(admin, dataset="../../etc")[0] == 422


def test_a_target_that_is_no_column_is_refused_with_the_one_that_was_meant(admin: Any) -> None:
    admin.put("/datasets/flowers", CSV)
    status, detail = refusal(admin, dataset="flowers", target="specie")
    assert status == 422
    assert "got 'specie' (did you mean 'species'?)" in detail


def test_a_first_version_of_an_uploaded_table_needs_a_target(admin: Any) -> None:
    admin.put("/datasets/flowers", CSV)
    answer = admin.retrain("fail", "new", dataset="flowers", create=True)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("one of: sepal_length, petal_length, species")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"config": {"lr": -1}}, "lr: expected `float` > 0.0, got -1"),
        ({"config": {"hidden_sizes": [10, 0]}}, "hidden_sizes"),
        ({"config": {"momentum": 0.9}}, "'momentum'"),
        ({"config": {"preset": "reference"}}, "'preset'"),
        ({"config": {"batch_size": 0}}, "batch_size must be at least 1"),
        ({"preset": "best"}, "$.preset"),
        ({"promote": "yes"}, "$.promote"),
        ({"queue": "yes"}, "$.queue"),
        ({"note": None}, "$.note"),
        ({"dataset": 3}, "$.dataset"),
        ({"dataset_version": "abc"}, "$.dataset_version"),
        ({"include": "a"}, "$.include"),
        ({"modelx": "iris"}, "modelx"),
    ],
)
def test_a_field_that_is_wrong_is_named(admin: Any, body: dict[str, Any], field: str) -> None:
    answer = admin.post("/models/iris/retrain", json={"dataset": "iris", **body})
    assert answer.status_code == 422
    assert field in answer.json()["detail"]
    assert admin.jobs() == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff", 400),
        (b'{"config":' + b'{"a":' * 10_000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b" " * 65_537, 413),
    ],
)
def test_a_body_that_is_no_request_is_refused(admin: Any, content: bytes, status: int) -> None:
    assert admin.post("/models/iris/retrain", content=content, headers=JSON).status_code == status


def test_a_body_must_say_that_it_is_json(admin: Any) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = admin.post("/retrain", content=b'{"dataset": "iris"}', headers={"Content-Type": content_type})
        assert answer.status_code == 415


def test_a_champion_whose_card_cannot_be_read_leaves_the_defaults(ordered: Any, publisher: Publisher) -> None:
    (publisher.root / "iris" / "1" / "card.json").write_text("{")
    assert ordered().config == make_config()
