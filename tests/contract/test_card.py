"""The card: what goes in comes out, and anything else is a corrupt artifact."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.card import Card, Json, ModelFile, Report
from contract.errors import CorruptArtifact
from tests.contract.origins import origin

MODELS = Path(__file__).parents[2] / "models"
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def card(report: Report) -> Card:
    return Card(
        name="iris",
        version=3,
        parent_version=1,
        created_at="2026-01-02T03:04:05+00:00",
        model_file=ModelFile(size_bytes=3, sha256="a" * 64),
        report=report,
    )


def with_path(content: bytes, path: str, value: object) -> bytes:
    """`content` with the value at a dotted path replaced."""
    card = msgspec.json.decode(content)
    *folders, last = path.split(".")
    place = card
    for key in folders:
        place = place[key]
    place[last] = value
    return msgspec.json.encode(card)


def test_a_card_comes_back_as_it_was(card: Card) -> None:
    assert Card.decode(card.encode()) == card


def test_a_card_says_which_job_a_version_came_from(card: Card) -> None:
    told = msgspec.structs.replace(card, origin=origin(fence=7, sequence=2))
    assert Card.decode(told.encode()) == told


def test_a_card_from_before_there_were_jobs_is_readable(card: Card) -> None:
    old = msgspec.json.decode(card.encode())
    del old["origin"]
    del old["report"]["columns"]
    assert Card.decode(msgspec.json.encode(old)) == card


@pytest.mark.parametrize(
    ("path", "value"),
    [("origin", {}), ("origin.fence", None), ("origin.gate", None), ("origin.gate.findings", [{"check": "mood"}])],
)
def test_a_card_with_a_damaged_origin_is_a_corrupt_artifact(card: Card, path: str, value: object) -> None:
    told = msgspec.structs.replace(card, origin=origin(fence=7))
    with pytest.raises(CorruptArtifact, match="model card must be readable"):
        Card.decode(with_path(told.encode(), path, value))


def test_a_card_keeps_the_type_of_a_label(card: Card) -> None:
    (first,) = Card.decode(card.encode()).report.metrics.per_class
    assert first.label is True


@given(config=st.dictionaries(TEXT, JSON, max_size=4))
def test_any_json_configuration_comes_back_as_it_was(config: dict[str, Json]) -> None:
    content = msgspec.json.encode({"config": config})

    class Holder(msgspec.Struct):
        config: dict[str, Json]

    assert msgspec.json.decode(content, type=Holder).config == config


def test_a_card_is_readable_text_that_ends_in_a_newline(card: Card) -> None:
    lines = card.encode().decode().split("\n")
    assert lines[0] == "{"
    assert ' "name": "iris",' in lines
    assert lines[-2:] == ["}", ""]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"not json",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"version": ' + b"1" * 5_000 + b"}",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_card_is_a_corrupt_artifact(content: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="model card must be readable"):
        Card.decode(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("name", None),
        ("version", "3"),
        ("version", 1.5),
        ("model_file", None),
        ("model_file.size_bytes", -0.5),
        ("report.data.class_counts", ["many"]),
        ("report.data.rows", [90, 30, 30, 2]),
        ("report.training.stop_reason", "boredom"),
        ("report.training.history", [{}]),
        ("report.metrics.accuracy", None),
        ("report.calibration", "none"),
    ],
)
def test_a_card_with_a_wrong_field_is_a_corrupt_artifact(card: Card, path: str, value: object) -> None:
    with pytest.raises(CorruptArtifact, match="model card must be readable"):
        Card.decode(with_path(card.encode(), path, value))


def test_a_card_cut_short_anywhere_is_a_corrupt_artifact(card: Card) -> None:
    content = card.encode()
    for length in range(len(content) - len(b"}\n")):
        with pytest.raises(CorruptArtifact):
            Card.decode(content[:length])


@given(content=st.binary(max_size=200))
def test_random_bytes_are_a_corrupt_artifact(content: bytes) -> None:
    with pytest.raises(CorruptArtifact):
        Card.decode(content)


def test_a_card_may_hold_what_a_later_release_added(card: Card) -> None:
    assert Card.decode(with_path(card.encode(), "report.data.weather", ["sunny"])) == card


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_card_that_could_not_be_read_back_is_not_encoded(card: Card, bad: float) -> None:
    metrics = msgspec.structs.replace(card.report.metrics, log_loss=bad)
    broken = msgspec.structs.replace(card, report=msgspec.structs.replace(card.report, metrics=metrics))
    with pytest.raises(CorruptArtifact, match=r"log_loss"):
        broken.encode()


def test_a_card_with_text_that_is_not_unicode_is_not_encoded(card: Card) -> None:
    data = msgspec.structs.replace(card.report.data, source="\udce9.csv")
    broken = msgspec.structs.replace(card, report=msgspec.structs.replace(card.report, data=data))
    with pytest.raises(CorruptArtifact, match="surrogates"):
        broken.encode()


def test_a_card_from_before_there_were_prediction_sets_is_read() -> None:
    report = Card.decode((MODELS / "iris" / "1" / "card.json").read_bytes()).report
    assert "conformal_fraction" not in report.config
    assert (report.prediction_sets, report.data.rows.conformal) == (None, 0)
