"""The pipeline: from a table to a model that was fitted, exported, compared and measured."""

import hashlib
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import torch

from contract.config import ColumnChoice, make_config
from contract.errors import ParityError, TrainingDiverged
from contract.model_file import LOGITS, PROBABILITIES
from training import parity, pipeline
from training.calibration import fit_temperature, softmax
from training.dataset import Split, frame_tensors, split_rows
from training.evaluation import evaluate, expected_calibration_error
from training.labels import label_indices, read_labels
from training.observer import Observer
from training.parity import open_session, run_session
from training.parts import HeldOut
from training.run import train_model
from training.table import Table, read_table

QUICK = {"max_epochs": 5, "hidden_sizes": (8,)}


def make_table(frame: pl.DataFrame) -> Table:
    return Table(frame=frame, source="made.csv", sha256="0" * 64, target=None, warnings=())


def mixed_frame(n: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    number = rng.normal(size=n)
    place = rng.choice(["north", "south", "west"], n)
    label = np.where(number + (place == "north") > 0.5, "yes", "no")
    holes = pl.Series(number).scatter(np.arange(0, n, 10), None)
    return pl.DataFrame({"number": holes, "place": place, "label": label})


def test_a_mixed_table_with_missing_cells_is_learnt():
    trained = train_model(make_table(mixed_frame()), "label", make_config())
    metrics = trained.report.metrics
    assert metrics.accuracy > metrics.majority_accuracy + 0.2
    assert [feature.name for feature in trained.schema.features] == ["number", "place"]


def test_the_reference_run_on_iris_is_that_of_the_notes():
    trained = train_model(read_table("iris"), "species", make_config("reference"))
    assert trained.report.training.n_parameters == 4 * 10 + 10 + 10 * 3 + 3
    assert trained.report.metrics.accuracy >= 0.9
    assert trained.report.calibration is None
    assert trained.schema.labels == ("setosa", "versicolor", "virginica")


def test_the_report_tells_where_the_rows_went():
    frame = mixed_frame().with_columns(pl.lit(1).alias("constant"))
    frame = frame.with_columns(label=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise("label"))
    data = train_model(make_table(frame), "label", make_config(**QUICK)).report.data
    assert data.rows.dropped == 3
    rows = data.rows
    assert rows.train + rows.valid + rows.test + rows.conformal == 297 == sum(data.class_counts)
    assert rows.conformal == 15
    assert (data.source, data.sha256, data.n_rows, data.n_columns) == ("made.csv", "0" * 64, 300, 4)
    assert list(data.excluded) == ["constant"]
    assert any("constant" in warning for warning in data.warnings)


def test_the_report_tells_how_training_went():
    training = train_model(make_table(mixed_frame()), "label", make_config(max_epochs=300, patience=5)).report.training
    assert training.stop_reason == "plateau"
    assert training.n_epochs == len(training.history) == training.best_epoch + 5


def test_a_rare_class_shows_in_the_card_what_accuracy_hides():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=1000), "label": np.where(np.arange(1000) % 50 == 0, "fraud", "fine")})
    metrics = train_model(make_table(frame), "label", make_config(max_epochs=3)).report.metrics
    assert metrics.accuracy == pytest.approx(0.98, abs=0.01)
    assert metrics.majority_accuracy == pytest.approx(0.98, abs=0.01)
    assert metrics.balanced_accuracy == pytest.approx(0.5, abs=0.05)
    assert metrics.per_class[1].label == "fraud"
    assert metrics.per_class[1].recall == 0


def test_class_weights_find_more_of_the_rare_class():
    rng = np.random.default_rng(0)
    rare = np.arange(2000) % 20 == 0
    frame = pl.DataFrame({"x": rng.normal(size=2000) + 1.5 * rare, "label": np.where(rare, "rare", "usual")})
    plain, weighted = (
        train_model(make_table(frame), "label", make_config(max_epochs=20, class_weights=on)).report.metrics
        for on in (False, True)
    )
    assert weighted.per_class[0].recall > plain.per_class[0].recall + 0.2


def test_labels_keep_their_type():
    frame = mixed_frame().with_columns(label=(pl.col("label") == "yes").cast(pl.Int64))
    trained = train_model(make_table(frame), "label", make_config(**QUICK))
    assert trained.schema.labels == (0, 1)
    assert [type(one.label) for one in trained.report.metrics.per_class] == [int, int]


def test_an_observer_hears_every_stage_and_epoch():
    heard = []

    class Listener(Observer):
        wants_trace = True

        def stage(self, name):
            heard.append(name)

        def epoch(self, record, max_epochs):
            heard.append((record.epoch, max_epochs))

        def first_step(self, trace):
            heard.append(trace.loss_shape)

    train_model(read_table("iris"), "species", make_config("reference", max_epochs=2), observer=Listener())
    assert heard == ["preparing", "fitting", (), (1, 2), (2, 2), "calibrating", "exporting", "evaluating"]


def test_listening_changes_nothing():
    class Tracer(Observer):
        wants_trace = True

    config = make_config(**QUICK)
    table = make_table(mixed_frame())
    assert train_model(table, "label", config).model == train_model(table, "label", config, observer=Tracer()).model


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from training.run import train_model; from training.table import read_table; "
        "from contract.config import make_config; "
        "table = read_table('wine'); model = train_model(table, table.target, make_config(max_epochs=5)).model; "
        "print(hashlib.sha256(model).hexdigest())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    table = read_table("wine")
    here = hashlib.sha256(train_model(table, table.target or "", make_config(max_epochs=5)).model).hexdigest()
    assert {one.stdout.strip() for one in runs} == {here}


def test_another_seed_gives_another_model():
    table = make_table(mixed_frame())
    first, second = (train_model(table, "label", make_config(**QUICK, seed=seed)).model for seed in (0, 1))
    assert first != second


def test_a_run_leaves_torchs_randomness_and_threads_alone():

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    train_model(make_table(mixed_frame()), "label", make_config(**QUICK))
    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads


def test_a_graph_that_computes_something_else_is_not_let_through(monkeypatch):
    def wrong_export(network, preprocessing, schema, temperature):
        with_bias = network.layers[-1].bias
        with_bias.data[:, 0] += 0.01
        content = exported(network, preprocessing, schema, temperature)
        with_bias.data[:, 0] -= 0.01
        return content

    exported = pipeline.export
    monkeypatch.setattr(pipeline, "export", wrong_export)
    with pytest.raises(ParityError):
        train_model(make_table(mixed_frame()), "label", make_config(**QUICK))


def test_parity_is_measured_and_within_its_tolerance():
    measured = train_model(make_table(mixed_frame()), "label", make_config(**QUICK)).report.parity
    assert 0 <= measured.max_error <= measured.tolerance == parity.TOLERANCE


# What is fitted on which rows

SINGLE = {"n_members": 1, "n_frequencies": 0, "schedule": "constant", "weight_decay": 0.01, "batch_size": 256}
"""One network, whose valid rows are a part of their own."""


def split_of(frame: pl.DataFrame, config) -> Split:
    _, y = read_labels(frame, "label")
    return split_rows(
        y,
        valid_fraction=config.valid_fraction,
        test_fraction=config.test_fraction,
        conformal_fraction=config.conformal_fraction,
        seed=config.seed,
    )


def log_loss(logits: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(softmax(logits)[np.arange(len(y)), y]).mean())


def answers_on(trained, frame: pl.DataFrame, rows: np.ndarray):
    tensors = frame_tensors(trained.schema, frame[rows])
    return run_session(open_session(trained.model), tensors), label_indices(trained.schema.labels, frame[rows], "label")


def test_ranges_and_categories_come_of_the_train_rows_alone():
    frame, config = mixed_frame(), make_config(**QUICK)
    row = int(split_of(frame, config).test[0])
    here = pl.int_range(pl.len()) == row
    frame = frame.with_columns(
        number=pl.when(here).then(999.0).otherwise("number"),
        place=pl.when(here).then(pl.lit("moon")).otherwise("place"),
    )
    number, place = train_model(make_table(frame), "label", config).schema.features
    assert number.maximum < 10
    assert "moon" not in place.categories


def test_missing_numbers_are_filled_with_the_median_of_the_train_rows():
    config = make_config(**SINGLE, **QUICK)
    frame = mixed_frame().select(pl.col("number").fill_null(0.5), "label")
    split = split_of(frame, config)
    elsewhere = pl.int_range(pl.len()).is_in([*split.valid.tolist(), *split.test.tolist(), *split.conformal.tolist()])
    frame = frame.with_columns(number=pl.when(elsewhere).then(pl.col("number") + 50).otherwise("number"))
    trained = train_model(make_table(frame), "label", config)
    median = frame[split.train]["number"].cast(pl.Float32).cast(pl.Float64).median()
    filled = frame_tensors(trained.schema, pl.DataFrame({"number": [None, median]}, schema={"number": pl.Float64}))
    missing, at_median = run_session(open_session(trained.model), filled)[LOGITS]
    np.testing.assert_allclose(missing, at_median, atol=1e-6)


def test_the_temperature_is_fitted_on_the_valid_rows():
    flipped = pl.Series(np.random.default_rng(1).random(2000) < 0.2)
    label = pl.when(flipped).then(pl.lit("no")).otherwise("label")
    frame = mixed_frame(2000).with_columns(label=label)
    config = make_config(**SINGLE, max_epochs=30, patience=None, dropout=0.0, lr=0.01, beta2=0.999)
    trained = train_model(make_table(frame), "label", config)
    answers, y = answers_on(trained, frame, split_of(frame, config).valid)
    calibration = trained.report.calibration
    before = answers[LOGITS] * calibration.temperature
    assert fit_temperature(before, y) == pytest.approx(calibration.temperature, rel=1e-3)
    assert calibration.log_loss_before == pytest.approx(log_loss(before, y), rel=1e-4)
    assert calibration.log_loss_after == pytest.approx(log_loss(answers[LOGITS], y), rel=1e-4)
    assert calibration.ece_before == pytest.approx(expected_calibration_error(softmax(before), y), abs=1e-4)
    assert calibration.ece_after == pytest.approx(expected_calibration_error(softmax(answers[LOGITS]), y), abs=1e-4)
    assert calibration.log_loss_before != calibration.log_loss_after


def test_the_best_epoch_is_chosen_on_the_valid_rows():
    frame, config = mixed_frame(), make_config(**SINGLE, max_epochs=40, patience=5, calibrate=False)
    trained = train_model(make_table(frame), "label", config)
    answers, y = answers_on(trained, frame, split_of(frame, config).valid)
    best = min(record.valid_loss for record in trained.report.training.history)
    assert log_loss(answers[LOGITS], y) == pytest.approx(best, rel=1e-4)


def test_the_metrics_are_those_of_the_calibrated_answers_on_the_test_rows():
    frame, config = mixed_frame(), make_config(max_epochs=60, patience=None, dropout=0.0)
    trained = train_model(make_table(frame), "label", config)
    answers, y = answers_on(trained, frame, split_of(frame, config).test)
    assert trained.report.metrics == evaluate(answers[PROBABILITIES], y, trained.schema.labels)


def test_the_seed_draws_both_the_split_and_the_first_weights():
    table = make_table(mixed_frame())
    first, second = (train_model(table, "label", make_config(**QUICK, seed=seed)) for seed in (0, 1))
    assert first.schema.features[0] != second.schema.features[0]
    # Rows that are all alike within a class are split alike, and full batches need no shuffle.
    alike = make_table(pl.DataFrame({"x": [0.0, 1.0] * 30, "label": ["a", "b"] * 30}))
    options = {"max_epochs": 1, "batch_size": None, "dropout": 0.0}
    first, second = (train_model(alike, "label", make_config(**options, seed=seed)) for seed in (0, 1))
    assert first.schema == second.schema
    assert first.model != second.model


@pytest.mark.parametrize("option", [{"dropout": 0.5}, {"batch_norm": True}, {"activation": "tanh"}])
def test_every_part_of_the_network_follows_the_config(option):
    table = make_table(mixed_frame())
    plain = make_config("reference", max_epochs=2)
    changed = make_config("reference", max_epochs=2, **option)
    assert train_model(table, "label", plain).model != train_model(table, "label", changed).model


def test_the_report_names_data_warnings_and_library_versions():
    table = Table(frame=mixed_frame(), source="made.csv", sha256="ab" * 32, target=None, warnings=("odd delimiter",))
    report = train_model(table, "label", make_config(**QUICK)).report
    assert report.data.sha256 == "ab" * 32
    assert report.data.warnings[0] == "odd delimiter"
    assert report.libraries["torch"] == version("torch")
    assert set(report.libraries) == {"python", "torch", "onnx", "onnxruntime", "numpy", "polars", "scikit-learn"}


def test_a_temperature_that_would_make_the_valid_rows_worse_is_not_used():
    calibration = train_model(read_table("iris"), "species", make_config()).report.calibration
    assert calibration.temperature == 1.0
    assert calibration.log_loss_after == calibration.log_loss_before


def test_a_loss_that_overflows_the_gradient_is_divergence():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=60) * 3e20, "label": ["a", "b"] * 30})
    with pytest.raises(TrainingDiverged):
        train_model(make_table(frame), "label", make_config("reference"))


def test_a_few_epochs_of_a_hopeless_learning_rate_are_divergence_too():
    with pytest.raises(TrainingDiverged):
        train_model(read_table("wine"), "cultivar", make_config(lr=1e6, max_epochs=2))


def test_labels_that_nothing_explains_train_with_a_warning():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=400), "label": rng.choice(["a", "b"], 400, p=[0.9, 0.1])})
    (warning,) = train_model(make_table(frame), "label", make_config(lr=0.05, max_epochs=3)).report.training.warnings
    assert "classes' shares" in warning


def test_a_run_that_learns_has_no_warnings():
    assert train_model(make_table(mixed_frame()), "label", make_config()).report.training.warnings == ()


# Rows that are held out for good


def test_the_report_tells_which_columns_were_chosen():
    choice = ColumnChoice(exclude=("place",), categorical=("number",))
    assert train_model(make_table(mixed_frame()), "label", make_config(**QUICK), choice).report.columns == choice
    assert train_model(make_table(mixed_frame()), "label", make_config(**QUICK)).report.columns == ColumnChoice()


def test_the_metrics_are_those_of_the_held_out_rows():
    frame, rows = mixed_frame(), np.arange(0, 300, 4)
    trained = train_model(make_table(frame), "label", make_config(**QUICK), held_out=HeldOut(frame[rows], rows))
    answers, y = answers_on(trained, frame, rows)
    assert trained.report.metrics == evaluate(answers[PROBABILITIES], y, trained.schema.labels)
    data = trained.report.data
    assert (data.n_rows, data.rows.test, data.rows.train + data.rows.conformal, data.rows.dropped) == (300, 75, 225, 0)
    assert sum(data.class_counts) == 300


def test_labels_of_held_out_rows_have_no_part_in_training():
    frame, rows = mixed_frame(), np.arange(0, 300, 4)
    is_held_out = pl.int_range(pl.len()) % 4 == 0
    flipped = frame.with_columns(label=pl.when(is_held_out).then(pl.lit("no")).otherwise("label"))
    one, other = (
        train_model(make_table(table), "label", make_config(**QUICK), held_out=HeldOut(frame[rows], rows)).model
        for table in (frame, flipped)
    )
    assert one == other
