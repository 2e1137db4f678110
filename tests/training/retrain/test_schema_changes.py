"""What a client notices when one schema takes another's place."""

from __future__ import annotations

import msgspec
import pytest

from contract.schema import CategoricalFeature, Feature, NumericFeature, Schema
from training.retrain.schema_changes import MAX_NAMED, schema_changes


def number(name: str, **changes: object) -> Feature:
    feature = NumericFeature(name=name, missing=False, minimum=0, maximum=1, quantiles=(0, 0, 0, 0.5, 1, 1, 1))
    return msgspec.structs.replace(feature, **changes)


def text(name: str, *categories: str) -> Feature:
    return CategoricalFeature(name=name, missing=False, categories=categories)


OLD = Schema(target="kind", features=(number("a"), number("b"), text("c", "x")), labels=("no", "yes"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"target": "sort"}, 'the target is "sort" instead of "kind"'),
        ({"features": (*OLD.features, number("d"))}, 'features added: "d"'),
        ({"features": OLD.features[1:]}, 'features removed: "a"'),
        ({"features": (text("a", "1"), *OLD.features[1:])}, 'features of another kind: "a"'),
        ({"features": OLD.features[::-1]}, "features in another order"),
        ({"labels": ("maybe", "no", "yes")}, 'labels added: "maybe"'),
        ({"labels": ("no", "si")}, 'labels removed: "yes"'),
        ({"labels": (False, True)}, "labels of type bool instead of str"),
    ],
)
def test_a_change_that_a_client_notices_is_named(changes, expected):
    assert expected in schema_changes(OLD, msgspec.structs.replace(OLD, **changes))


def test_the_same_schema_is_no_change():
    assert schema_changes(OLD, OLD) == ()


def test_ranges_categories_and_missing_cells_are_no_changes():
    features = (number("a", maximum=7.0, missing=True), number("b", quantiles=(0.1,) * 7), text("c", "x", "y"))
    assert schema_changes(OLD, msgspec.structs.replace(OLD, features=features)) == ()


def test_an_added_feature_is_not_another_order_too():
    new = msgspec.structs.replace(OLD, features=(number("first"), *OLD.features))
    assert schema_changes(OLD, new) == ('features added: "first"',)


def test_a_number_that_was_a_boolean_is_another_type():
    old, new = (msgspec.structs.replace(OLD, labels=labels) for labels in ((False, True), (0, 1)))
    assert schema_changes(old, new) == ("labels of type int instead of bool",)


def test_a_long_list_of_names_is_cut():
    many = tuple(number(f"n{index}") for index in range(MAX_NAMED + 2))
    (change,) = schema_changes(OLD, msgspec.structs.replace(OLD, features=(*OLD.features, *many)))
    assert change.endswith(f", … ({MAX_NAMED + 2} in all)")
