"""Prediction sets in training: which rows calibrate them, and that they hold what they promise."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from contract.config import make_config
from contract.conformal import Conformal
from contract.model_file import PROBABILITIES
from training.conformal import LEVELS, evaluate_sets
from training.dataset import frame_tensors, split_rows
from training.labels import read_labels
from training.parity import open_session, run_session
from training.parts import HeldOut
from training.run import TrainedModel, train_model
from training.table import Table

QUICK = {"max_epochs": 4, "hidden_sizes": (8,), "n_members": 2}
N_TEST = 20_000
SHARES = (0.6, 0.3, 0.1)


def made_table(frame: pl.DataFrame) -> Table:
    return Table(frame=frame, source="made.csv", sha256="0" * 64, target=None, warnings=())


def three_kinds(n: int, seed: int) -> pl.DataFrame:
    """Rows of three classes that overlap, one of them rare."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=SHARES)
    x = rng.normal(size=(n, 2)) + 1.2 * np.array([[0, 0], [1, 1], [2, -1]])[y]
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": np.array(["x", "y", "z"])[y]})


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    """By 1,000 conformal rows of 5,000, tested on rows of another table."""
    held_out = HeldOut(three_kinds(N_TEST, seed=1), np.empty(0, np.int64))
    config = make_config(**QUICK, conformal_fraction=0.2)
    return train_model(made_table(three_kinds(5_000, seed=0)), "label", config, held_out=held_out)


def carried_by(model: TrainedModel) -> Conformal:
    metadata = open_session(model.model).get_modelmeta().custom_metadata_map
    conformal = Conformal.from_metadata(metadata, len(model.schema.labels))
    assert conformal
    return conformal


def within(coverage: float, level: float, n_calibration: int, n_test: float) -> bool:
    """Whether a coverage is within four standard deviations of what chance makes of a level.

    That of a model's sets is beta distributed around the level, by its calibration rows; that measured on test rows is
    binomial around it (Vovk, 2012). Up to one row more than the level asks for is covered.
    """
    deviation = (level * (1 - level) * (1 / n_calibration + 1 / n_test)) ** 0.5
    return -4 * deviation <= coverage - level <= 4 * deviation + 1 / n_calibration


@pytest.mark.parametrize("level", LEVELS)
def test_sets_hold_the_true_label_as_often_as_their_level_says(trained: TrainedModel, level: float) -> None:
    sets = trained.report.prediction_sets
    assert sets is not None
    (measured,) = [one for one in sets.marginal if one.level == level]
    assert within(measured.coverage, level, 1_000, N_TEST)


@pytest.mark.parametrize("level", LEVELS)
def test_sets_per_class_do_so_for_each_class(trained: TrainedModel, level: float) -> None:
    frame = three_kinds(N_TEST, seed=1)
    _, y = read_labels(frame, "label")
    probabilities = run_session(open_session(trained.model), frame_tensors(trained.schema, frame))[PROBABILITIES]
    sets = carried_by(trained).sets(probabilities, level, per_class=True)
    for label, share in enumerate(SHARES):
        covered = sets[y == label, label]
        assert within(covered.mean(), level, int(1_000 * share), len(covered))


def test_over_all_rows_a_rare_class_is_missed_more_often_which_the_card_tells(trained: TrainedModel) -> None:
    sets = trained.report.prediction_sets
    assert sets is not None
    for marginal, per_class in zip(sets.marginal[:2], sets.per_class[:2], strict=True):
        assert marginal.lowest_class_coverage < marginal.level - 0.1
        assert abs(per_class.lowest_class_coverage - per_class.level) < 0.05
        assert per_class.mean_size > marginal.mean_size


def test_the_model_carries_what_it_gave_its_conformal_rows() -> None:
    frame, config = three_kinds(400, seed=2), make_config(**QUICK)
    trained = train_model(made_table(frame), "label", config)
    _, y = read_labels(frame, "label")
    rows = split_rows(y, valid_fraction=0.125, test_fraction=0.15, conformal_fraction=0.05, seed=0).conformal
    answers = run_session(open_session(trained.model), frame_tensors(trained.schema, frame[rows]))
    assert trained.report.data.rows.conformal == len(rows) == 20
    expected = Conformal.calibrate(answers[PROBABILITIES], y[rows])
    assert carried_by(trained).to_metadata() == expected.to_metadata()


def test_conformal_rows_change_nothing_but_the_sets() -> None:
    frame, config = three_kinds(400, seed=2), make_config(**QUICK)
    _, y = read_labels(frame, "label")
    rows = split_rows(y, valid_fraction=0.125, test_fraction=0.15, conformal_fraction=0.05, seed=0).conformal
    here = pl.int_range(pl.len()).is_in(rows.tolist())
    other = frame.with_columns(pl.when(here).then(pl.col(name) * 100 + 7).otherwise(name).alias(name) for name in "ab")
    first, second = (train_model(made_table(one), "label", config) for one in (frame, other))
    assert first.schema == second.schema
    assert first.report.metrics == second.report.metrics
    assert first.report.training.history == second.report.training.history
    assert first.report.calibration == second.report.calibration
    assert first.report.probe == second.report.probe
    assert carried_by(first).to_metadata() != carried_by(second).to_metadata()


def test_without_conformal_rows_a_model_carries_nothing() -> None:
    trained = train_model(made_table(three_kinds(200, seed=2)), "label", make_config(**QUICK, conformal_fraction=0))
    assert trained.report.prediction_sets is None
    assert trained.report.data.rows.conformal == 0
    assert Conformal.from_metadata(open_session(trained.model).get_modelmeta().custom_metadata_map, 3) is None


def test_the_same_run_gives_the_same_bytes() -> None:
    table, config = made_table(three_kinds(200, seed=2)), make_config(**QUICK)
    assert train_model(table, "label", config).model == train_model(table, "label", config).model


def test_what_the_card_reports_is_counted_by_hand() -> None:
    conformal = Conformal([np.float32([0.5, 0.6, 0.7, 0.9]), np.float32([0.4])])
    probabilities = np.float32([[0.8, 0.2], [0.55, 0.45], [0.5, 0.5], [0.3, 0.7]])
    sets = evaluate_sets(conformal, probabilities, np.array([0, 1, 1, 1]))
    assert sets.n_samples == 5
    # At 0.8 the fifth of five counts: 0.4 or more is in the set, which is one label, two, two, one.
    assert (sets.marginal[0].coverage, sets.marginal[0].mean_size) == (1.0, 1.5)
    # Of the first class the fourth of four counts, 0.5; the second has one row, so that its label is in every set.
    assert (sets.per_class[0].coverage, sets.per_class[0].mean_size) == (1.0, 7 / 4)
    assert sets.per_class[0].lowest_class_coverage == 1.0
