"""Model names: the gate between a caller's text and the file system."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.card import Report
from contract.errors import InvalidName
from contract.names import check_name, name_from
from contract.publishing import Publisher
from tests.contract.origins import origin

FIRST = string.ascii_lowercase + string.digits
REST = FIRST + "_-"

HOSTILE = [
    "",
    ".",
    "..",
    "../iris",
    "iris/..",
    "/etc",
    "a/b",
    "a\\b",
    ".hidden",
    ".staging-0",
    "-rf",
    "_a",
    "iris\n",
    "\niris",
    "iris\0",
    "iris\r",
    "iris ",
    " iris",
    "Iris",
    "iris.onnx",
    "å",
    "ß",
    "\u0661",
    "a²",
    "\uff41",
    "\u212a",
    "~",
    "%2e%2e",
    "\ud800",
    "a" * 65,
    "a" * 100_000,
]


def is_name(text: str) -> bool:
    """The rule, said without a regular expression."""
    return 1 <= len(text) <= 64 and text[0] in FIRST and all(letter in REST for letter in text)


@given(text=st.text(st.sampled_from(REST), max_size=66) | st.text(st.sampled_from(REST + "./\0\nAå²"), max_size=4))
@example(text="a" * 64)
@example(text="a" * 65)
@example(text="0")
@example(text="a\n")
def test_check_name_takes_exactly_what_the_rule_says(text: str) -> None:
    if is_name(text):
        assert check_name(text) == text
    else:
        with pytest.raises(InvalidName):
            check_name(text)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_check_name_refuses_hostile_text(name: str) -> None:
    with pytest.raises(InvalidName, match="a model name must match"):
        check_name(name)


def test_the_error_for_a_long_name_is_short() -> None:
    with pytest.raises(InvalidName) as caught:
        check_name("a" * 100_000)
    assert len(str(caught.value)) < 200


METHODS: dict[str, Callable[[Publisher, str, Report], object]] = {
    "versions": lambda repository, name, _: repository.versions(name),
    "current": lambda repository, name, _: repository.current(name),
    "pointer_stamp": lambda repository, name, _: repository.pointer_stamp(name),
    "card": lambda repository, name, _: repository.card(name, 1),
    "read": lambda repository, name, _: repository.read(name, 1),
    "read_current": lambda repository, name, _: repository.read_current(name),
    "publish": lambda repository, name, report: repository.publish(name, b"model", report),
    "publish_job": lambda repository, name, report: repository.publish_job(
        name, b"model", report, origin(fence=0), promote=True
    ),
    "raise_fence": lambda repository, name, _: repository.raise_fence(name, 1),
    "promote": lambda repository, name, _: repository.promote(name, 1),
    "roll_back": lambda repository, name, _: repository.roll_back(name),
}


def test_every_method_that_takes_a_name_is_tried_with_hostile_ones() -> None:
    public = {name for name in dir(Publisher) if not name.startswith("_")}
    assert public - {"names", "published_names"} == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:20]))
def test_a_repository_refuses_a_hostile_name_before_it_touches_the_disk(
    tmp_path: Path, report: Report, name: str, method: str
) -> None:
    inside = tmp_path / "models"
    with pytest.raises(InvalidName):
        METHODS[method](Publisher(inside), name, report)
    assert list(tmp_path.iterdir()) == []


@given(text=st.text())
@example(text="")
@example(text="../../etc/passwd")
@example(text="İstanbul")
@example(text="-" * 100)
@example(text="-" * 63 + "a" * 64)
@example(text="\ud800\0\n")
def test_name_from_makes_a_valid_name_of_any_text(text: str) -> None:
    assert is_name(name_from(text))


@given(name=st.text(st.sampled_from(REST), min_size=1, max_size=64).filter(is_name))
def test_name_from_leaves_a_name_alone_but_for_what_ends_it(name: str) -> None:
    assert name_from(name) == name.rstrip("-_")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Iris", "iris"),
        ("Bank Churn (2024).v2", "bank-churn-2024-v2"),
        ("__adult__", "adult"),
        ("Räksmörgås", "r-ksm-rg-s"),
        ("тест", "model"),
        ("", "model"),
        ("a" * 70, "a" * 64),
    ],
)
def test_name_from_keeps_what_it_can(text: str, name: str) -> None:
    assert name_from(text) == name
