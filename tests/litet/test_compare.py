"""`litet compare`: a published model beside other libraries' on a table."""

import json
import sys

import pytest

from litet.comparing import comparison_lines
from tests.docs.conftest import blocks_of
from tests.peers_threads import one_thread
from training.compare.result import Contender, Difference, Result

NAMES = ["litet", "logistic regression", "HistGradientBoosting", "LightGBM"]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    with one_thread(monkeypatch):
        yield


@pytest.fixture
def models(litet, table, tmp_path):
    folder = tmp_path / "models"
    litet("train", table, "--target", "bird", "--models", folder, "--max-epochs", "60", "--json")
    return folder


def test_a_comparison_is_a_table_and_a_sentence(litet, models, table):
    outcome = litet("compare", "birds", table, "--models", models)
    first, head, *rows, verdict, few = outcome.out.splitlines()
    assert outcome.exit_code == 0
    assert first == "birds/1 on birds.csv: 9 test rows; the other 51 are what was fitted on"
    assert head.split() == ["accuracy", "balanced", "log", "loss", "ECE", "fit", "s", "bytes", "µs,", "1", "row"]
    assert [row[:22].strip() for row in rows] == NAMES
    assert all(len(row[22:].split()) == 7 for row in rows)
    assert "log loss" in verdict
    assert few == "On 9 rows only large differences show."


def test_progress_goes_to_stderr(litet, models, table):
    err = litet("compare", "birds", table, "--models", models).err
    assert err.splitlines() == ["testing litet …", *(f"fitting {name} …" for name in NAMES[1:])]


def test_json_is_one_object_and_nothing_else(litet, models, table):
    outcome = litet("compare", "birds", table, "--models", models, "--json")
    result = json.loads(outcome.out)
    assert (result["name"], result["version"], result["why_anew"], outcome.err) == ("birds", 1, None, "")
    assert [one["name"] for one in result["contenders"]] == NAMES
    assert result["verdict"] in {"better", "worse", "unclear"}
    assert all(one["us_per_row"] > 0 and one["size_bytes"] > 0 for one in result["contenders"])


def test_on_another_file_it_says_that_a_network_was_fitted_anew(litet, models, table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace("bird\n", "kind\n") + "9.5,1,north,crow\n")
    out = litet("compare", "birds", other, "--target", "kind", "--models", models).out
    assert out.splitlines()[1] == (
        "litet is a network fitted anew with the same options: birds/1 was trained on another table, and may know rows "
        "of this one"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody", "TABLE"], "a model must have a current version, got 'nobody'"),
        (["birds", "nowhere.csv"], "a table must exist, got 'nowhere.csv'"),
        (
            ["birds", "iris", "--target", "species"],
            "each feature of the model must be a column of the table, got 'wing'",
        ),
        (["birds", "TABLE", "--target", "brid"], "the target must be a column of the table, got 'brid' (did you mean"),
    ],
)
def test_what_cannot_be_compared_is_one_line(litet, models, table, arguments, words):
    outcome = litet("compare", *[table if one == "TABLE" else one for one in arguments], "--models", models)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_without_the_extra_nothing_is_fitted(litet, models, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    outcome = litet("compare", "birds", table, "--models", models)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "pip install 'litet[compare]'" in outcome.err


def test_the_guide_shows_what_is_printed():
    _, shown, *_ = [block.text for block in blocks_of("docs/compare.md")]
    lines = shown.splitlines()
    head, *rows = list(comparison_lines(result_of(-0.0001, -0.0008, 0.0007)))[1:-1]
    assert lines[1] == head
    assert [line[:22].strip() for line in lines[2:-1]] == NAMES
    assert {len(line) for line in lines[1:-1]} == {len(line) for line in (head, *rows)}
    assert lines[-1].startswith("These rows do not tell: ")


def result_of(log_loss: float, low: float, high: float) -> Result:
    contenders = tuple(
        Contender(
            name=name,
            accuracy=0.9,
            balanced_accuracy=0.8,
            log_loss=0.25,
            ece=0.0123,
            fit_seconds=1.5,
            size_bytes=12345,
            us_per_row=40.4,
        )
        for name in ("litet", "LightGBM")
    )
    difference = Difference(peer="LightGBM", log_loss=log_loss, low=low, high=high)
    return Result(
        name="birds",
        version=2,
        source="birds.csv",
        target="bird",
        why_anew=None,
        n_train=900,
        n_test=100,
        contenders=contenders,
        difference=difference,
        verdict=difference.verdict,
    )


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [
        (
            (-0.02, -0.03, -0.01),
            "The net is worth it here: its log loss is lower than that of LightGBM, the best of the others, by 0.0200 "
            "(95 %: 0.0100 to 0.0300).",
        ),
        (
            (0.02, 0.01, 0.03),
            "The net is not worth it here: LightGBM has a lower log loss than litet, by 0.0200 "
            "(95 %: 0.0100 to 0.0300).",
        ),
        (
            (0.01, -0.02, 0.04),
            "These rows do not tell: the log loss of litet is higher than that of LightGBM, the best of the others, by "
            "0.0100, but the 95 % interval of the difference, -0.0200 to +0.0400, holds 0.",
        ),
    ],
)
def test_the_last_sentence_says_whether_the_net_is_worth_it(difference, sentence):
    *_, row, last = comparison_lines(result_of(*difference))
    assert last == sentence
    assert row == f"{'LightGBM':<22}   0.9000   0.8000   0.2500  0.0123    1.50      12,345         40"
