"""What is suspicious about a table before a model is trained on it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from contract.config import ColumnChoice, make_config
from contract.errors import InvalidData
from contract.repository import Artifact
from tests.training.retrain.making import artifact, builtin, table_of
from training.retrain.data_checks import check_data
from training.run import train_model
from training.table import Table

ONE_EPOCH = make_config("reference", max_epochs=1)
ALL = ColumnChoice()


def noisy(n: int = 1000, shares=(0.5, 0.3, 0.2), seed: int = 0) -> pl.DataFrame:
    """An honest table: two numbers that tell something of the label."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1, 2], np.round(np.array(shares) * n).astype(int)))
    label = np.array(["a", "b", "c"])[y]
    return pl.DataFrame({"x": y + rng.normal(size=n), "z": rng.normal(size=n), "label": label})


@pytest.fixture(scope="module")
def champion() -> Artifact:
    return artifact(train_model(table_of(noisy()), "label", ONE_EPOCH))


def found(frame: pl.DataFrame, champion: Artifact | None = None, choice: ColumnChoice = ALL, mode="refuse"):
    """The findings by check, and whether they are refusals."""
    return {one.check: one.refused for one in check_data(table_of(frame), "label", choice, champion, mode)}


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_nothing_is_found_in_the_built_in_tables(name):
    table, target = builtin(name)
    assert check_data(table, target, ALL, artifact(train_model(table, target, ONE_EPOCH)), "refuse") == ()


def test_nothing_is_found_in_more_rows_of_the_same_kind(champion):
    assert found(noisy(1100, seed=1), champion) == {}


def test_what_cannot_be_trained_on_is_refused_at_once():
    with pytest.raises(InvalidData):
        found(pl.DataFrame({"x": [1.5, 2.5], "label": ["a", "b"]}))


def test_findings_are_warnings_where_that_was_asked_for(champion):
    bad = noisy(90, shares=(0.1, 0.1, 0.8)).with_columns(leak="label")
    assert True in found(bad, champion).values()
    assert set(found(bad, champion, mode="warn").values()) == {False}
    assert found(bad, champion).keys() == found(bad, champion, mode="warn").keys()


# Against the champion


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.45, 0.35, 0.2), {}),
        ((0.35, 0.45, 0.2), {"label_shift": False}),
        ((0.05, 0.3, 0.65), {"label_shift": True}),
    ],
)
def test_classes_whose_shares_moved_are_found(champion, shares, expected):
    assert found(noisy(shares=shares), champion) == expected


def test_a_label_shift_tells_its_size_and_the_class(champion):
    (finding,) = check_data(table_of(noisy(shares=(0.3, 0.5, 0.2))), "label", ALL, champion, "refuse")
    assert finding.value == pytest.approx(0.2)
    assert finding.limit == 0.1
    assert 'most changed is "a", from 50.0% to 30.0%' in finding.detail


def test_labels_that_changed_their_type_alone_are_no_shift():
    numbers = noisy().with_columns(pl.col("label").replace({"a": "0", "b": "1", "c": "2"}))
    champion = artifact(train_model(table_of(numbers), "label", ONE_EPOCH))
    assert found(numbers.with_columns(pl.col("label").cast(pl.Int64)), champion) == {}


def test_a_class_that_is_gone_is_refused(champion):
    frame = noisy().with_columns(pl.col("label").replace("c", "b"))
    (finding, *_) = [one for one in check_data(table_of(frame), "label", ALL, champion, "refuse") if one.refused]
    assert (finding.check, finding.value) == ("rare_class", 0)
    assert finding.detail.endswith(': "c"')


def test_a_class_that_is_new_is_a_shift_alone(champion):
    frame = noisy().with_columns(
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("new")).otherwise("label").alias("label")
    )
    assert found(frame, champion) == {"label_shift": False}


def test_a_rare_class_is_warned_of_without_a_champion_too():
    frame = noisy(1000, shares=(0.5, 0.481, 0.019))
    (finding,) = check_data(table_of(frame), "label", ALL, None, "refuse")
    assert (finding.check, finding.value, finding.limit, finding.refused) == ("rare_class", 19, 20, False)
    assert '"c" with 19' in finding.detail


@pytest.mark.parametrize(("n_rows", "expected"), [(500, {}), (490, {"few_rows": False})])
def test_a_table_of_far_fewer_rows_is_found(champion, n_rows, expected):
    assert found(noisy(n_rows), champion) == expected


def test_a_table_of_hardly_any_rows_is_refused(champion):
    assert found(noisy(90), champion)["few_rows"] is True


# Rows that repeat or contradict each other


def repeated(times: int) -> pl.DataFrame:
    return pl.concat([noisy(60)] * times)


@pytest.mark.parametrize(("times", "expected"), [(1, None), (2, None), (3, False), (30, True)])
def test_a_table_many_times_over_is_found(times, expected):
    assert found(repeated(times)).get("duplicates") is expected


def test_rows_of_few_categories_repeat_by_nature():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.choice(["u", "v"], 5000) for name in ("p", "q", "label")})
    assert "duplicates" not in found(frame)


def test_a_table_of_categories_is_never_refused_for_what_its_rows_share():
    one_hot = pl.DataFrame({f"c{index}": ["yes" if index == row else "no" for row in range(12)] for index in range(12)})
    frame = pl.concat([one_hot.with_columns(label=pl.Series(["u", "v"] * 6))] * 200)
    assert found(frame) == {"duplicates": False}


def with_contradictions(share: float) -> pl.DataFrame:
    frame = noisy(1000)
    n = int(share * 1000)
    other = {"a": "b", "b": "c", "c": "a"}
    return pl.concat([frame, frame[:n].with_columns(pl.col("label").replace_strict(other))])


@pytest.mark.parametrize(("share", "expected"), [(0.0, None), (0.02, None), (0.1, False), (0.9, True)])
def test_rows_that_contradict_each_other_are_found(share, expected):
    assert found(with_contradictions(share)).get("contradictions") is expected


def test_contradictions_are_counted_with_both_their_rows():
    (finding,) = check_data(table_of(with_contradictions(0.1)), "label", ALL, None, "refuse")
    assert finding.value == pytest.approx(200 / 1100)


# Leaks


def leaking(errors: int = 0) -> pl.DataFrame:
    frame = noisy(2000)
    labels = frame["label"].to_list()
    rng = np.random.default_rng(3)
    for row in rng.choice(2000, errors, replace=False):
        labels[row] = "a" if labels[row] != "a" else "b"
    return frame.with_columns(leak=pl.Series(labels))


def test_a_category_that_is_the_label_under_another_name_is_refused():
    (finding,) = check_data(table_of(leaking()), "label", ALL, None, "refuse")
    assert (finding.check, finding.column, finding.value, finding.refused) == ("leak", "leak", 1.0, True)


def test_a_category_that_is_nearly_the_label_is_warned_of():
    assert found(leaking(errors=20)) == {"leak": False}


def test_a_category_that_is_often_wrong_is_no_leak():
    assert found(leaking(errors=80)) == {}


@pytest.mark.parametrize(
    "leak",
    [
        pl.col("label").replace_strict({"a": 0, "b": 1, "c": 2}),
        pl.col("label").replace_strict({"a": None, "b": 5.5, "c": 7.5}, return_dtype=pl.Float64),
        pl.col("label").replace_strict({"a": 0, "b": 100, "c": 200}) + pl.col("z"),
        pl.col("label").replace_strict({"a": 200, "b": 0, "c": 100}) + pl.col("z"),
    ],
)
def test_a_number_that_gives_the_label_away_is_found(leak):
    assert found(noisy(10_000).with_columns(leak=leak)) == {"leak": True}


def test_a_number_that_is_missing_throughout_is_no_leak():
    frame = noisy(2000).with_columns(
        sparse=pl.when(pl.int_range(pl.len()) % 20 == 0).then("x"), empty=pl.lit(None, pl.Float64)
    )
    assert found(frame, choice=ColumnChoice(include=("empty",))) == {}


def test_a_rare_label_is_found_in_a_number():
    frame = noisy(4000, shares=(0.6, 0.39, 0.01)).with_columns((pl.col("label") == "c").cast(pl.String).alias("label"))
    assert found(frame.with_columns(leak=(pl.col("label") == "true").cast(pl.Int64))) == {"leak": True}


def test_a_column_that_is_left_out_is_no_leak():
    assert found(leaking(), choice=ColumnChoice(exclude=("leak",))) == {}


def test_ids_that_tell_each_row_apart_are_no_leak():
    frame = noisy(2000).with_columns(pl.format("row {}", pl.int_range(pl.len())).alias("id"))
    assert found(frame, choice=ColumnChoice(include=("id",))) == {}


def test_rows_without_a_label_are_not_looked_at():
    frame = leaking().with_columns(
        label=pl.when(pl.int_range(pl.len()) % 2 == 0).then("label"),
        leak=pl.when(pl.int_range(pl.len()) % 2 == 0).then("leak").otherwise(pl.lit("a")),
    )
    assert found(frame) == {"leak": True}


def test_small_tables_are_not_judged_by_a_lucky_feature():
    frame = pl.DataFrame({"x": ["u", "v"] * 25, "label": ["a", "b"] * 25})
    assert "leak" not in found(frame)


def test_findings_are_the_same_every_time(champion):
    bad = leaking(errors=20)
    table = Table(frame=bad, source="made.csv", sha256="0" * 64, target=None, warnings=())
    assert check_data(table, "label", ALL, champion, "refuse") == check_data(table, "label", ALL, champion, "refuse")
