"""Where rules come from: costs by the names of labels, or the best threshold on rows that were left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.config import DecisionName, TrainingConfig, make_config
from contract.decision_rule import DecisionRule
from contract.errors import InvalidConfig
from contract.model_file import PROBABILITIES
from training import run
from training.dataset import frame_tensors, split_rows
from training.decision import LeftOut, find_threshold, given_rule
from training.labels import read_labels
from training.parity import open_session, run_session
from training.run import TrainedModel, train_model
from training.table import Table

QUICK = {"max_epochs": 5, "hidden_sizes": (8,), "n_members": 4}
COSTS = {"bad": {"good": 10}, "good": {"bad": 1}}


def quality(metric: str, decided: np.ndarray, y: np.ndarray) -> float:
    if metric == "balanced_accuracy":
        return float(np.mean([(decided[y == label] == label).mean() if (y == label).any() else 0 for label in (0, 1)]))
    rare = int((y == 1).sum() * 2 <= len(y))
    right = ((decided == rare) & (y == rare)).sum()
    n_named = (decided == rare).sum() + (y == rare).sum()
    return float(2 * right / n_named) if n_named else 0.0


@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=40),
    metric=st.sampled_from(["f1", "balanced_accuracy"]),
)
def test_no_threshold_is_better_than_the_one_that_is_found(rows: list[tuple[int, bool]], metric: DecisionName) -> None:
    p, y = np.array([number / 20 for number, _ in rows]), np.array([int(is_second) for _, is_second in rows])
    found = find_threshold(LeftOut(np.column_stack([1 - p, p]), y), metric)
    assert 0 <= found <= 1
    tried = [quality(metric, (p > threshold).astype(int), y) for threshold in np.linspace(0, 1, 201)]
    assert quality(metric, (p > found).astype(int), y) >= max(tried) - 1e-12


def test_of_equally_good_thresholds_the_nearest_to_a_half_is_found() -> None:
    p = np.array([0.1, 0.2, 0.9, 0.95])
    assert find_threshold(LeftOut(np.column_stack([1 - p, p]), np.array([0, 0, 1, 1])), "f1") == 0.5


# Costs


def test_costs_are_put_in_the_order_of_the_labels() -> None:
    config = make_config(decision="costs", costs={"1": {"0": 7, "1": 2}, "0": {"1": 3}})
    assert given_rule(config, (0, 1)) == DecisionRule(((0.0, 3.0), (7.0, 2.0)))


@pytest.mark.parametrize(
    ("costs", "says"),
    [
        ({"bad": {"good": 1}}, 'none for deciding "bad" where "good" is true'),
        ({"bad": {"fine": 1}, "good": {"bad": 1}}, r'labels of the table \("bad", "good"\), got "fine"'),
        ({"worse": {"good": 1}}, 'got "worse"'),
    ],
)
def test_costs_of_other_labels_are_refused(costs: Any, says: str) -> None:
    with pytest.raises(InvalidConfig, match=says):
        given_rule(make_config(decision="costs", costs=costs), ("bad", "good"))


def test_a_threshold_needs_two_classes() -> None:
    with pytest.raises(InvalidConfig, match="decision 'f1' needs two classes, got 3"):
        given_rule(make_config(decision="f1"), ("a", "b", "c"))


def test_costs_of_too_many_classes_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="of 100 classes at most, got a table with 101"):
        given_rule(make_config(decision="costs", costs={}), tuple(range(101)))


# A run


def loans(n: int = 600) -> pl.DataFrame:
    """One row in eight is bad."""
    rng = np.random.default_rng(0)
    is_bad = rng.random(n) < 0.125
    x = rng.normal(size=n) + 1.5 * is_bad
    return pl.DataFrame({"x": x, "label": np.where(is_bad, "bad", "good")})


def trained_with(config: TrainingConfig) -> TrainedModel:
    table = Table(frame=loans(), source="made.csv", sha256="0" * 64, target=None, warnings=())
    return train_model(table, "label", config)


def rule_of(trained: TrainedModel) -> DecisionRule | None:
    return DecisionRule.from_metadata(open_session(trained.model).get_modelmeta().custom_metadata_map, 2)


def test_a_model_without_a_rule_carries_none() -> None:
    trained = trained_with(make_config(**QUICK))
    assert rule_of(trained) is None
    assert trained.report.decision is None


def test_the_card_reports_what_the_costs_change_on_the_test_rows() -> None:
    config = make_config(**QUICK, decision="costs", costs=COSTS)
    trained = trained_with(config)
    decision = trained.report.decision
    assert decision is not None
    assert (decision.chosen_by, decision.threshold) == ("costs", None)
    assert decision.costs == ((0.0, 10.0), (1.0, 0.0))
    assert decision.with_rule.mean_cost < decision.without_rule.mean_cost
    assert rule_of(trained) == DecisionRule(decision.costs)

    frame = loans()
    _, y = read_labels(frame, "label")
    rows = split_rows(y, valid_fraction=0.125, test_fraction=0.15, conformal_fraction=0.05, seed=0).test
    answers = run_session(open_session(trained.model), frame_tensors(trained.schema, frame[rows]))
    p_bad = answers[PROBABILITIES][:, 0].astype(np.float64)
    decided = np.where(p_bad * 10 <= (1 - p_bad), 1, 0)
    assert decision.with_rule.accuracy == pytest.approx((decided == y[rows]).mean())
    assert decision.with_rule.mean_cost == pytest.approx(np.array([[0, 10], [1, 0]])[y[rows], decided].mean())
    assert decision.without_rule.accuracy == pytest.approx(trained.report.metrics.accuracy)
    assert decision.without_rule.balanced_accuracy == pytest.approx(trained.report.metrics.balanced_accuracy)
    assert decision.without_rule.class_f1 == pytest.approx([one.f1 for one in trained.report.metrics.per_class])


@pytest.mark.parametrize("single", [False, True], ids=["ensemble", "single"])
def test_a_threshold_is_found_on_rows_left_out_at_the_temperature_of_the_model(
    monkeypatch: pytest.MonkeyPatch, single: bool
) -> None:
    seen: list[LeftOut] = []

    def choose(config: TrainingConfig, given: DecisionRule | None, left_out: LeftOut | None) -> Any:
        seen.extend([left_out] if left_out else [])
        return chosen(config, given, left_out)

    chosen = run.choose_rule
    monkeypatch.setattr(run, "choose_rule", choose)
    alone = {"n_members": 1, "n_frequencies": 0, "schedule": "constant", "weight_decay": 0.01} if single else {}
    trained = trained_with(make_config(**QUICK | alone, decision="balanced_accuracy"))
    (left_out,) = seen
    decision, calibration = trained.report.decision, trained.report.calibration
    assert decision is not None
    assert calibration is not None
    assert decision.threshold == find_threshold(left_out, "balanced_accuracy")
    assert rule_of(trained) == DecisionRule.of_threshold(decision.threshold)
    p_true = left_out.probabilities[np.arange(len(left_out.y)), left_out.y]
    assert -np.log(p_true).mean() == pytest.approx(calibration.log_loss_after, rel=1e-4)
    assert decision.with_rule.balanced_accuracy > decision.without_rule.balanced_accuracy + 0.1


def test_a_rule_changes_nothing_else() -> None:
    plain, ruled = (trained_with(make_config(**QUICK, **options)) for options in ({}, {"decision": "f1"}))
    assert plain.report.metrics == ruled.report.metrics
    assert plain.report.prediction_sets == ruled.report.prediction_sets
    assert plain.report.probe == ruled.report.probe


def test_costs_that_do_not_fit_are_refused_before_anything_is_fitted() -> None:
    with pytest.raises(InvalidConfig, match="where"):
        trained_with(make_config(decision="costs", costs={"bad": {"good": 1}}, max_epochs=1_000_000))
