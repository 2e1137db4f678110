"""What promotion would change for those who send requests."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from contract.decision import GateLimits
from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES, X_NUM
from tests.training.retrain.making import QUICK, builtin, seeded, table_of, with_shuffled_labels
from training.dataset import frame_tensors
from training.parity import run_session
from training.retrain.replay import MIN_ROWS, replay
from training.retrain.scoring import Model, open_model
from training.run import train_model

LIMITS = GateLimits()
IRIS, SPECIES = builtin("iris")
FEATURES = IRIS.frame.drop(SPECIES)


def model_of(table, target=SPECIES, config=QUICK) -> Model:
    return open_model(train_model(table, target, config).model)


@pytest.fixture(scope="module")
def champion() -> Model:
    return model_of(IRIS)


@pytest.fixture(scope="module")
def successor() -> Model:
    return model_of(IRIS, config=seeded(3))


@pytest.fixture(scope="module")
def poisoned() -> Model:
    return model_of(with_shuffled_labels(IRIS, SPECIES))


def body(*rows) -> bytes:
    return json.dumps({"instances": rows}).encode()


ARRAYS = [body(list(row)) for row in FEATURES.rows()]
OBJECTS = [body(row) for row in FEATURES.rows(named=True)]


def test_a_model_replayed_against_itself_changes_nothing(champion):
    replayed = replay(champion, champion, ARRAYS, LIMITS)
    assert (replayed.n_requests, replayed.n_rows, replayed.n_refused) == (150, 150, 0)
    assert (replayed.label_flip_rate, replayed.max_probability_change, replayed.passed) == (0, 0, True)


def test_the_differences_are_those_of_the_models_own_answers(champion, successor):
    before, after = (run_session(one.session, frame_tensors(one.schema, IRIS.frame)) for one in (champion, successor))
    replayed = replay(champion, successor, ARRAYS, LIMITS)
    flips = before[CLASS_INDEX] != after[CLASS_INDEX]
    assert replayed.label_flip_rate == pytest.approx(flips.mean())
    change = np.abs(before[PROBABILITIES] - after[PROBABILITIES]).max()
    assert replayed.max_probability_change == pytest.approx(change, abs=1e-6)
    assert replayed.passed


def test_requests_of_arrays_and_of_objects_mix(champion, successor):
    mixed = [
        arrays if index % 2 else objects for index, (arrays, objects) in enumerate(zip(ARRAYS, OBJECTS, strict=True))
    ]
    one, other, both = (replay(champion, successor, bodies, LIMITS) for bodies in (ARRAYS, OBJECTS, mixed))
    assert one == other == both


def test_requests_of_many_rows_count_by_row(champion, successor):
    replayed = replay(champion, successor, [body(*FEATURES.rows()), ARRAYS[0]], LIMITS)
    assert (replayed.n_requests, replayed.n_rows) == (2, 151)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"instances": []}',
        b'{"instances": 3}',
        b'{"instances": [[1, 2]]}',
        b'{"instances": [[1, 2, 3, "x"]]}',
        b'{"instances": [[NaN, 2, 3, 4]]}',
        b'{"instances": [[1, 2, 3, 4]], "more": 1}',
        b'{"instances": [[1, 2, 3, 4], {"sepal_length": 1}]}',
        b'{"instances": [[1e300, 2, 3, 4]]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_to_the_champion_is_skipped(champion, successor, odd):
    assert replay(champion, successor, [odd, ARRAYS[0]], LIMITS).n_requests == 1
    assert replay(champion, successor, [odd], LIMITS) is None


def test_without_requests_there_is_nothing_to_replay(champion, successor):
    assert replay(champion, successor, [], LIMITS) is None


def test_many_changed_answers_do_not_pass(champion, poisoned):
    replayed = replay(champion, poisoned, ARRAYS, LIMITS)
    assert replayed.label_flip_rate > LIMITS.max_label_flips
    assert not replayed.passed
    assert replay(champion, poisoned, ARRAYS, GateLimits(max_label_flips=1)).passed


def test_few_rows_are_not_judged_by_their_changed_answers(champion, poisoned):
    assert replay(champion, poisoned, ARRAYS[-MIN_ROWS + 1 :], LIMITS).passed
    assert not replay(champion, poisoned, ARRAYS[-MIN_ROWS:], LIMITS).passed


def test_rows_that_the_challenger_cannot_take_are_refused(champion):
    places = pl.Series("sepal_length", ["low", "high"])[(IRIS.frame["sepal_length"] > 5.8).cast(pl.Int64)]
    texts = model_of(table_of(IRIS.frame.with_columns(places)), config=QUICK)
    nothing = body([None, 3.0, 4.0, 1.0])
    replayed = replay(champion, texts, [*ARRAYS[:60], nothing], LIMITS)
    assert (replayed.n_rows, replayed.n_refused, replayed.passed) == (61, 60, False)


def test_a_challenger_of_other_features_refuses_everything(champion):
    narrow = model_of(table_of(IRIS.frame.drop("sepal_width")))
    replayed = replay(champion, narrow, [ARRAYS[0], OBJECTS[1]], LIMITS)
    assert (replayed.n_refused, replayed.label_flip_rate, replayed.passed) == (2, 0, False)


class Fragile:
    """A session that answers with no number where the first feature is huge."""

    def __init__(self, session) -> None:
        self.session = session

    def run(self, names, feed):
        outputs = self.session.run(names, feed)
        outputs[names.index(LOGITS)][feed[X_NUM][:, 0] > 1e30] = np.nan
        return outputs


def test_answers_that_are_not_finite_are_refused(champion):
    fragile = Model(Fragile(champion.session), champion.schema)
    bodies = [ARRAYS[0], body([3e38, 3.0, 4.0, 1.0])]
    replayed = replay(champion, fragile, bodies, LIMITS)
    assert (replayed.n_rows, replayed.n_refused, replayed.passed) == (2, 1, False)
    assert replay(fragile, champion, bodies, LIMITS).n_rows == 1
    assert replay(fragile, champion, bodies[1:], LIMITS) is None


def test_classes_are_compared_by_their_labels_wherever_they_stand(champion):
    more = IRIS.frame.with_columns(
        pl.when(pl.int_range(pl.len()) % 50 < 10).then(pl.lit("a-first")).otherwise(SPECIES).alias(SPECIES)
    )
    longer = model_of(table_of(more))
    assert longer.schema.labels[0] == "a-first"
    assert replay(champion, longer, ARRAYS, LIMITS).label_flip_rate < 0.2
    assert replay(champion, longer, ARRAYS, LIMITS).max_probability_change < 1


def test_labels_of_another_type_are_other_labels():
    numbers = IRIS.frame.with_columns((pl.col(SPECIES) == "setosa").alias(SPECIES))
    truths = model_of(table_of(numbers))
    integers = model_of(table_of(numbers.with_columns(pl.col(SPECIES).cast(pl.Int64))))
    assert replay(truths, integers, ARRAYS, LIMITS).label_flip_rate == 1
