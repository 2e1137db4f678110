"""Who is fitted on which rows, who is tested on which, and what the comparison concludes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import polars as pl
import pytest

from contract.card import Card, ModelFile
from contract.config import ColumnChoice, make_config
from contract.errors import InvalidConfig, InvalidData
from contract.repository import Artifact
from tests.contract.origins import origin
from training.compare import comparison
from training.compare.comparison import compare
from training.compare.result import Difference
from training.observer import Observer
from training.run import TrainedModel, train_model
from training.table import Table

CONFIG = make_config(hidden_sizes=(8,), n_members=2, max_epochs=12, seed=3)


def birds(n: int = 240) -> Table:
    rng = np.random.default_rng(0)
    wing, place = rng.normal(size=n), rng.choice(["north", "south"], n)
    label = np.where(wing + (place == "north") + rng.normal(size=n) / 2 > 0.5, "owl", "crow")
    frame = pl.DataFrame({"wing": wing, "place": place, "bird": label}).with_row_index("row")
    return Table(frame=frame, source="birds.csv", sha256="a" * 64, target=None, warnings=())


TABLE = birds()
OTHER = replace(TABLE, sha256="b" * 64)


class Peer:
    """Keeps what it is fitted and tested on; gives the true class of a row the probability `p`."""

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, train, y, seed) -> Peer:
        self.train, self.y, self.seed = train, y, seed
        return self

    def __reduce__(self):
        return Peer, (self.p,)

    def predict_proba(self, values) -> np.ndarray:
        if len(values) > 1:
            self.tested = values
        truth = {wing: bird == "owl" for wing, bird in zip(TABLE.frame["wing"], TABLE.frame["bird"], strict=True)}
        is_owl = np.array([truth[min(truth, key=lambda wing: abs(wing - row[0]))] for row in values])
        return np.stack([np.where(is_owl, 1 - self.p, self.p), np.where(is_owl, self.p, 1 - self.p)], axis=1)


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train_model(TABLE, "bird", CONFIG)


@pytest.fixture
def artifact(trained) -> Artifact:
    file = ModelFile(size_bytes=len(trained.model), sha256="c" * 64)
    card = Card(name="birds", version=1, parent_version=None, created_at="", model_file=file, report=trained.report)
    return Artifact(card=card, model=trained.model)


@pytest.fixture
def peers(monkeypatch) -> dict[str, Peer]:
    peers = {"sure": Peer(0.6), "surer": Peer(0.7)}
    monkeypatch.setattr(comparison, "PEERS", peers)
    return peers


def with_card(artifact: Artifact, **changes) -> Artifact:
    return msgspec.structs.replace(artifact, card=msgspec.structs.replace(artifact.card, **changes))


def with_options(artifact: Artifact, options) -> Artifact:
    return with_card(artifact, report=msgspec.structs.replace(artifact.card.report, config=options))


def test_on_its_own_table_the_published_version_is_tested_on_its_own_test_rows(artifact, peers):
    result = compare(artifact, TABLE, "bird", Observer())
    net, metrics = result.contenders[0], artifact.card.report.metrics
    assert result.why_anew is None
    assert (net.name, net.accuracy, net.balanced_accuracy) == ("litet", metrics.accuracy, metrics.balanced_accuracy)
    assert (net.log_loss, net.ece) == pytest.approx((metrics.log_loss, metrics.ece), abs=1e-6)
    assert (net.size_bytes, net.fit_seconds) == (len(artifact.model), artifact.card.report.training.seconds)


def test_peers_learn_from_all_other_rows_and_from_the_features_of_the_model_alone(artifact, peers):
    result = compare(artifact, TABLE, "bird", Observer())
    wings = [peers["sure"].train.values[:, 0], peers["sure"].tested[:, 0]]
    assert [len(part) for part in wings] == [result.n_train, result.n_test]
    assert sorted(np.concatenate(wings)) == sorted(TABLE.frame["wing"].to_numpy().astype(np.float32))
    assert result.n_test == artifact.card.report.data.rows.test
    assert peers["sure"].train.n_codes == (0, 2)
    assert peers["sure"].seed == CONFIG.seed


def test_on_another_table_a_network_is_fitted_anew_on_the_rows_that_peers_have(artifact, peers):
    result = compare(artifact, OTHER, "bird", Observer())
    again = train_model(OTHER, "bird", CONFIG, ColumnChoice(exclude=("row",))).report
    assert result.why_anew == "birds/1 was trained on another table, and may know rows of this one"
    assert result.contenders[0].log_loss == pytest.approx(again.metrics.log_loss, abs=1e-6)
    assert result.n_test == again.metrics.n_samples == len(peers["sure"].tested)


def test_a_version_of_a_job_is_fitted_anew_even_on_its_own_table(artifact, peers):
    result = compare(with_card(artifact, origin=origin(1)), TABLE, "bird", Observer())
    assert result.why_anew == "birds/1 came from a job, which held out rows that are not known here"


def test_features_are_those_of_the_model_whatever_they_look_like_in_another_table(artifact, peers):
    frame = OTHER.frame.with_columns(place=pl.when(pl.col("place") == "north").then(1).otherwise(2))
    compare(artifact, replace(OTHER, frame=frame), "bird", Observer())
    assert peers["sure"].train.n_codes == (0, 2)


def test_options_that_an_old_card_does_not_know_are_told(artifact, peers):
    options = {name: value for name, value in artifact.card.report.config.items() if name not in {"beta2", "schedule"}}
    told = compare(with_options(artifact, options), OTHER, "bird", Observer()).why_anew
    assert told is not None
    assert told.endswith("its card says nothing of beta2, schedule: they have today's defaults")


def test_a_card_with_unknown_options_is_refused(artifact, peers):
    with pytest.raises(InvalidConfig, match="unknown field `later`"):
        compare(with_options(artifact, {"later": 1}), OTHER, "bird", Observer())


@pytest.mark.parametrize(
    ("table", "target", "message"),
    [
        (replace(OTHER, frame=OTHER.frame.drop("bird")), "bird", "the target must be a column .* got 'bird'"),
        (replace(OTHER, frame=OTHER.frame.drop("wing")), "bird", "each feature of the model .* got 'wing'"),
        (OTHER, "place", "the target is never a feature, got 'place'"),
    ],
)
def test_a_table_without_what_the_model_needs_is_refused(artifact, peers, table, target, message):
    with pytest.raises(InvalidData, match=message):
        compare(artifact, table, target, Observer())


@pytest.mark.parametrize(
    ("p", "verdict", "best"), [(0.999, "worse", "new"), (0.01, "better", "surer"), (None, "unclear", "new")]
)
def test_the_verdict_is_against_the_best_peer(artifact, peers, p, verdict, best):
    if p is None:  # as good as the net itself
        p = float(np.exp(-compare(artifact, TABLE, "bird", Observer()).contenders[0].log_loss))
    peers["new"] = Peer(p)
    peers["sure"].p, peers["surer"].p = 0.2, 0.3
    result = compare(artifact, TABLE, "bird", Observer())
    losses = {one.name: one.log_loss for one in result.contenders}
    assert (result.verdict, result.difference.peer) == (verdict, best)
    assert result.difference.log_loss == pytest.approx(losses["litet"] - losses[best], abs=1e-6)
    assert result.difference.low < result.difference.log_loss < result.difference.high


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.2, "worse"), (-0.2, -0.1, "better"), (-0.1, 0.1, "unclear")]
)
def test_an_interval_that_holds_0_does_not_tell(low, high, verdict):
    assert Difference(peer="one", log_loss=(low + high) / 2, low=low, high=high).verdict == verdict


def test_an_observer_hears_who_is_at_work(artifact, peers):
    heard = []

    class Listener(Observer):
        def stage(self, name):
            heard.append(name)

    compare(artifact, TABLE, "bird", Listener())
    assert heard == ["testing litet", "fitting sure", "fitting surer"]
