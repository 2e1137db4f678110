"""The gate lets a model pass that is no worse, and tells why it holds another back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace as replace_struct

from contract.decision import Finding, GateDecision, GateLimits
from tests.contract.origins import origin
from tests.training.retrain.making import (
    QUICK,
    artifact,
    builtin,
    seeded,
    table_of,
    with_flips,
    with_shuffled_labels,
)
from training.parts import HeldOut
from training.retrain.gate import decide
from training.retrain.held_out import FrozenRows, open_held_out
from training.retrain.scoring import open_model, score
from training.run import TrainedModel, train_model
from training.table import Table

LIMITS = GateLimits()

IRIS, SPECIES = builtin("iris")


class Lineage:
    """A table's held-out rows, and its champion, made with the clean table."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.table, self.target = builtin(name)
        self.trained, self.frozen = self.train(self.table, 0)
        self.champion = artifact(self.trained, version=4)

    def train(self, table: Table, seed: int = 1) -> tuple[TrainedModel, FrozenRows]:
        config = seeded(seed)
        frozen = open_held_out(self.folder, table, self.target, config, None)
        return train_model(table, self.target, config, held_out=frozen.held_out), frozen

    def decide(self, table: Table, requests=()) -> GateDecision:
        trained, frozen = self.train(table)
        return decide(trained, self.champion, 9, frozen, LIMITS, requests, ())


@pytest.fixture(scope="module", params=["iris", "wine", "breast_cancer"])
def lineage(request, tmp_path_factory) -> Lineage:
    return Lineage(tmp_path_factory.mktemp("held-out") / request.param, request.param)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory) -> Lineage:
    return Lineage(tmp_path_factory.mktemp("held-out") / "iris", "iris")


# Poison


def test_a_model_of_the_clean_table_passes(lineage):
    decision = lineage.decide(lineage.table)
    assert decision.passed, decision.reasons
    assert decision.reasons == ()
    assert [one.metric for one in decision.comparisons] == ["log_loss", "balanced_accuracy"]


def test_some_wrong_labels_show_in_the_comparison(lineage):
    decision = lineage.decide(with_flips(lineage.table, lineage.target, 0.2))
    log_loss = decision.comparisons[0]
    assert log_loss.worse_by > log_loss.tolerance
    assert decision.passed == all(one.passed for one in decision.comparisons)


def test_many_wrong_labels_are_held_back(lineage):
    decision = lineage.decide(with_flips(lineage.table, lineage.target, 0.4))
    assert not decision.passed
    assert decision.reasons[0].startswith("its log loss on the held-out rows is ")


def test_shuffled_labels_are_held_back(lineage):
    decision = lineage.decide(with_shuffled_labels(lineage.table, lineage.target))
    assert not decision.passed
    assert [one.passed for one in decision.comparisons] == [False, False]


# What a decision tells


def test_a_decision_tells_all_that_it_rests_on(flowers):
    finding = Finding(check="few_rows", detail="few", value=0.4, limit=0.5, refused=False)
    frozen = replace(flowers.frozen, notes=("rows are missing",))
    decision = decide(flowers.trained, flowers.champion, 9, frozen, LIMITS, [], [finding])
    assert (decision.champion, decision.sequence) == (4, 9)
    assert (decision.n_held_out, decision.held_out_sha256) == (30, frozen.sha256)
    assert decision.findings == (finding,)
    assert decision.notes == (
        "rows are missing",
        "there are only 30 held-out rows, on which only large differences show",
    )
    assert decision.replay is None
    assert decision.passed


def test_the_same_models_give_the_same_decision(flowers):
    assert flowers.decide(IRIS) == flowers.decide(IRIS)


def test_a_decision_fits_into_a_card(flowers):
    decision = flowers.decide(with_shuffled_labels(IRIS, SPECIES), [b'{"instances": [[1, 2, 3, 4]]}'])
    assert msgspec.json.decode(msgspec.json.encode(decision), type=GateDecision) == decision


def test_the_metrics_of_the_comparison_are_those_of_the_card(flowers):
    trained, frozen = flowers.train(IRIS)
    log_loss, accuracy = decide(trained, flowers.champion, 9, frozen, LIMITS, [], ()).comparisons
    assert log_loss.challenger == pytest.approx(trained.report.metrics.log_loss, rel=1e-5)
    assert log_loss.champion == pytest.approx(flowers.trained.report.metrics.log_loss, rel=1e-5)
    assert accuracy.challenger == pytest.approx(trained.report.metrics.balanced_accuracy)


def test_changed_answers_to_recent_requests_are_a_reason(flowers):
    bodies = [json.dumps({"instances": [row]}).encode() for row in IRIS.frame.drop(SPECIES).rows()]
    decision = flowers.decide(with_shuffled_labels(IRIS, SPECIES), bodies)
    assert "% of 150 rows of recent requests, where 25.0% is the limit" in decision.reasons[-1]
    assert not decision.replay.passed


def test_rows_that_cannot_be_answered_any_more_are_a_reason(flowers):
    decision = flowers.decide(table_of(IRIS.frame.drop("sepal_width")), [b'{"instances": [[1, 2, 3, 4]]}'])
    assert "it could not answer 1 of 1 rows of recent requests" in decision.reasons


def test_rows_that_the_champion_was_not_made_with_need_a_person(flowers):
    """Else a table under another name would bring its own examiners."""
    made = origin(fence=1)
    of_lineage = replace_struct(made, gate=replace_struct(made.gate, held_out_sha256=flowers.frozen.sha256))
    for number, one, passed in ((5, made, False), (6, of_lineage, True)):
        champion = artifact(flowers.trained, number, one)
        decision = decide(flowers.trained, champion, 9, flowers.frozen, LIMITS, [], ())
        assert decision.passed is passed
        assert all("a person must promote the first version that is" in reason for reason in decision.reasons)


# Schemas that differ


def test_another_schema_needs_a_person(flowers):
    decision = flowers.decide(table_of(IRIS.frame.with_columns(colour=pl.Series(["red", "blue", "white"] * 50))))
    assert decision.schema_changes == ('features added: "colour"',)
    assert decision.reasons == ('the schema changed (features added: "colour"): a person must promote it',)
    assert all(one.passed for one in decision.comparisons)


def test_a_label_that_the_champion_does_not_know_counts_against_it(flowers):
    frame = IRIS.frame.with_columns(pl.col(SPECIES).replace("setosa", "iris setosa"))
    trained = train_model(table_of(frame), SPECIES, QUICK)
    rows = np.arange(0, 150, 5)
    frozen = replace(flowers.frozen, held_out=HeldOut(frame[rows], rows))
    decision = decide(trained, flowers.champion, 9, frozen, LIMITS, [], ())
    log_loss, accuracy = decision.comparisons
    assert log_loss.champion > 1.5
    assert accuracy.champion <= 2 / 3
    assert 'labels added: "iris setosa"' in decision.schema_changes


def test_a_champion_that_cannot_take_the_rows_is_a_reason(flowers):
    trained = train_model(table_of(IRIS.frame.drop("sepal_width")), SPECIES, QUICK)
    rows = np.arange(0, 150, 5)
    frozen = replace(flowers.frozen, held_out=HeldOut(IRIS.frame.drop("sepal_width")[rows], rows))
    decision = decide(trained, flowers.champion, 9, frozen, LIMITS, [], ())
    assert not decision.passed
    assert decision.comparisons == ()
    assert "since it cannot take the held-out rows: each feature of the model must be a column" in decision.reasons[0]


# Without a champion


def test_the_first_model_passes_where_it_has_learnt_something(flowers):
    decision = decide(flowers.trained, None, None, flowers.frozen, LIMITS, [], ())
    assert decision.passed
    assert (decision.champion, decision.sequence, decision.comparisons) == (None, None, ())


def test_the_first_model_is_held_back_where_it_has_learnt_nothing(flowers):
    trained, frozen = flowers.train(with_shuffled_labels(IRIS, SPECIES))
    decision = decide(trained, None, None, frozen, LIMITS, [], ())
    assert not decision.passed
    assert "no better than the 1.0986 of always answering the classes' shares" in decision.reasons[0]


# Scores


def test_rows_are_scored_alike_in_one_batch_and_in_many(flowers, monkeypatch):
    model, held_out = open_model(flowers.trained.model), flowers.frozen.held_out
    at_once = score(model, held_out, SPECIES)
    monkeypatch.setattr("training.retrain.scoring.BATCH_ROWS", 7)
    in_batches = score(model, held_out, SPECIES)
    np.testing.assert_allclose(at_once.p_true, in_batches.p_true, atol=1e-6)
    assert at_once.correct.tolist() == in_batches.correct.tolist()


def test_a_label_that_the_model_does_not_know_has_no_probability(flowers):
    frame = flowers.frozen.held_out.frame.with_columns(pl.lit("rose").alias(SPECIES))
    scores = score(open_model(flowers.trained.model), HeldOut(frame, np.empty(0, np.int64)), SPECIES)
    assert not scores.p_true.any()
    assert not scores.correct.any()


def test_a_lineages_later_champion_is_compared_on_the_same_rows(flowers):
    first, later = flowers.decide(IRIS), flowers.decide(with_flips(IRIS, SPECIES, 0.4))
    assert first.held_out_sha256 == later.held_out_sha256
    assert first.comparisons[0].champion == later.comparisons[0].champion
