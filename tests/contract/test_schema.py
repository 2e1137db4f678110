"""The schema: it comes back from a graph's metadata as it was, or it is a corrupt artifact."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import CorruptArtifact
from contract.schema import METADATA_KEY, CategoricalFeature, Feature, Label, NumericFeature, Schema

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    missing = draw(st.booleans())
    if draw(st.booleans()):
        low, high = sorted((draw(FINITE), draw(FINITE)))
        quantiles = draw(st.lists(FINITE, max_size=7).map(tuple))
        return NumericFeature(name=name, missing=missing, minimum=low, maximum=high, quantiles=quantiles)
    categories = draw(st.lists(TEXT, unique=True, max_size=4))
    return CategoricalFeature(name=name, missing=missing, categories=tuple(categories))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(TEXT, min_size=1, max_size=5, unique=True))
    labels: st.SearchStrategy[Label] = st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.booleans()
    return Schema(
        target=draw(TEXT),
        features=tuple(draw(features(name)) for name in names),
        labels=tuple(draw(st.lists(labels, min_size=2, max_size=6, unique_by=lambda label: (type(label), label)))),
    )


def a_number(name: str = "size") -> NumericFeature:
    return NumericFeature(name=name, missing=False, minimum=0.0, maximum=1.0, quantiles=(0.5,))


def a_schema(labels: tuple[Label, ...] = ("no", "yes"), *names: str) -> Schema:
    return Schema(target="y", features=tuple(map(a_number, names or ("size",))), labels=labels)


def metadata_with(**changes: object) -> dict[str, str]:
    """The metadata of a good schema with some of its fields replaced."""
    (text,) = a_schema().to_metadata().values()
    return {METADATA_KEY: json.dumps(json.loads(text) | changes)}


@given(schema=schemas())
def test_a_schema_comes_back_from_metadata_as_it_was(schema: Schema) -> None:
    back = Schema.from_metadata(schema.to_metadata())
    assert back == schema
    assert [type(label) for label in back.labels] == [type(label) for label in schema.labels]


@given(schema=schemas())
def test_metadata_is_one_entry_of_json_text(schema: Schema) -> None:
    ((key, text),) = schema.to_metadata().items()
    assert key == METADATA_KEY
    assert json.loads(text)["target"] == schema.target


@given(schema=schemas())
def test_a_schema_parts_its_features_in_their_order(schema: Schema) -> None:
    assert set(schema.numeric) | set(schema.categorical) == set(schema.features)
    assert [f for f in schema.features if f in schema.numeric] == list(schema.numeric)
    assert [f for f in schema.features if f in schema.categorical] == list(schema.categorical)


def test_labels_of_several_types_are_told_apart() -> None:
    labels = (1, True, "1", 0, False, "0", "true", "")
    back = Schema.from_metadata(a_schema(labels).to_metadata())
    assert [(type(label), label) for label in back.labels] == [(type(label), label) for label in labels]


@pytest.mark.parametrize("labels", [(), ("only",), ("a", "a"), (1, 1), (True, True), (1, True, "1", True)])
def test_labels_that_are_not_at_least_two_and_distinct_are_refused(labels: tuple[Label, ...]) -> None:
    with pytest.raises(ValueError, match="class labels must be at least two and distinct"):
        a_schema(labels)


@pytest.mark.parametrize("names", [("a", "a"), ("",), ("a", "")])
def test_feature_names_that_are_not_distinct_and_named_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="feature names must be distinct and not empty"):
        a_schema(("no", "yes"), *names)


def test_a_number_and_a_category_may_not_share_a_name() -> None:
    category = CategoricalFeature(name="size", missing=False, categories=("s", "l"))
    with pytest.raises(ValueError, match="feature names must be distinct"):
        Schema(target="y", features=(a_number("size"), category), labels=(0, 1))


def test_a_schema_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="feature names must be distinct and not empty"):
        Schema(target="y", features=(), labels=(0, 1))


@pytest.mark.parametrize("categories", [("a", "a"), ("",), ("a", "")])
def test_categories_that_are_not_distinct_texts_are_refused(categories: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="categories must be distinct and not empty"):
        CategoricalFeature(name="colour", missing=False, categories=categories)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("field", ["minimum", "maximum", "quantiles"])
def test_ranges_that_json_cannot_carry_are_refused(field: str, bad: float) -> None:
    ranges: dict[str, Any] = {"minimum": 0.0, "maximum": 1.0, "quantiles": (0.5,)}
    ranges[field] = (0.5, bad) if field == "quantiles" else bad
    with pytest.raises(ValueError, match="ranges must be finite"):
        NumericFeature(name="size", missing=False, **ranges)


def test_a_schema_with_text_that_is_not_unicode_makes_no_metadata() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        a_schema((0, 1), "\ud800").to_metadata()


def test_a_graph_without_a_schema_is_a_corrupt_artifact() -> None:
    with pytest.raises(CorruptArtifact, match=r"carries its schema under 'litet.schema', got \['other'\]"):
        Schema.from_metadata({"other": "{}"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "schema",
        "\ud800",
        '{"target": "y"',
        "[" * 100_000,
        '{"features": [{"junk": ' + "[" * 100_000 + "]" * 100_000 + ', "kind": "numeric"}]}',
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_metadata_that_is_no_schema_is_a_corrupt_artifact(text: str) -> None:
    with pytest.raises(CorruptArtifact, match="must be readable"):
        Schema.from_metadata({METADATA_KEY: text})


NUMBER = {"kind": "numeric", "name": "n", "missing": False, "minimum": 0, "maximum": 1, "quantiles": []}
CATEGORY = {"kind": "categorical", "name": "c", "missing": False, "categories": ["a"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"target": None},
        {"labels": []},
        {"labels": ["a"]},
        {"labels": ["a", "a"]},
        {"labels": [1, 1]},
        {"labels": [1.5, 2]},
        {"labels": [None, 1]},
        {"features": []},
        {"features": [NUMBER, NUMBER]},
        {"features": [NUMBER, CATEGORY | {"name": "n"}]},
        {"features": [NUMBER | {"kind": "vague"}]},
        {"features": [NUMBER | {"name": ""}]},
        {"features": [NUMBER | {"minimum": None}]},
        {"features": [NUMBER | {"extra": 1}]},
        {"features": [CATEGORY | {"categories": ["a", "a"]}]},
        {"features": [CATEGORY | {"categories": [""]}]},
        {"features": [CATEGORY | {"categories": [1]}]},
        {"extra": 1},
    ],
    ids=str,
)
def test_metadata_with_a_wrong_field_is_a_corrupt_artifact(changes: dict[str, object]) -> None:
    with pytest.raises(CorruptArtifact, match="must be readable"):
        Schema.from_metadata(metadata_with(**changes))


@given(schema=schemas(), data=st.data())
def test_metadata_cut_short_is_a_corrupt_artifact(schema: Schema, data: st.DataObject) -> None:
    (text,) = schema.to_metadata().values()
    length = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(CorruptArtifact):
        Schema.from_metadata({METADATA_KEY: text[:length]})


def test_a_schema_of_whole_numbers_for_ranges_reads_as_floats() -> None:
    schema = Schema.from_metadata(metadata_with(features=[NUMBER]))
    (feature,) = schema.numeric
    assert (type(feature.minimum), type(feature.maximum)) == (float, float)
