"""A table that is streamed gives what it would give in memory: the same where it fits, nearly the same where not."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from contract.config import ColumnChoice, make_config
from contract.errors import InvalidConfig, InvalidData
from contract.model_file import PROBABILITIES
from tests.training.streamed.conftest import birds
from training.dataset import frame_tensors
from training.labels import label_indices
from training.observer import Observer
from training.parity import open_session, run_session
from training.run import train_model
from training.streamed.run import train_streamed
from training.table import Table

QUICK = {"hidden_sizes": (16,), "n_members": 2, "n_frequencies": 4, "batch_size": 256}
SINGLE = {"hidden_sizes": (16,), "n_members": 1, "n_frequencies": 0, "batch_size": 256}


def in_memory(frame):
    return Table(frame, "table.parquet", "0" * 64, None, ())


@pytest.mark.parametrize("network", [QUICK, SINGLE])
def test_a_table_that_fits_into_the_sample_gives_the_same_model_to_the_last_bit(stream, network):
    frame = birds(900).with_columns(bird=pl.when(pl.int_range(pl.len()) % 11 != 0).then("bird"))
    config = make_config(**network, max_epochs=3)
    streamed = train_streamed(stream(frame), "bird", config)
    whole = train_model(in_memory(frame), "bird", config)
    assert streamed.model == whole.model
    assert streamed.report.data == whole.report.data
    assert streamed.report.metrics == whole.report.metrics


def log_loss(trained, frame):
    y = label_indices(trained.schema.labels, frame, "bird")
    answers = run_session(open_session(trained.model), frame_tensors(trained.schema, frame))
    return -np.log(answers[PROBABILITIES][np.arange(len(y)), y]).mean()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("network", [QUICK, SINGLE])
def test_a_table_of_many_blocks_gives_a_model_as_good_as_in_memory(stream, network):
    frame, fresh = birds(2_500), birds(4_000, seed=1)
    config = make_config(**network, max_epochs=8, lr=0.03)
    choice = ColumnChoice(exclude=("number",))
    streamed = train_streamed(stream(frame), "bird", config, choice)
    whole = train_model(in_memory(frame), "bird", config, choice)
    guess = -sum(share * np.log(share) for share in fresh["bird"].value_counts(normalize=True)["proportion"])
    assert log_loss(whole, fresh) < 0.8 * guess
    # Each draws its own first weights and split; seeds alone move either by about 0.01.
    assert log_loss(streamed, fresh) == pytest.approx(log_loss(whole, fresh), abs=0.03)


@pytest.mark.usefixtures("small_steps")
def test_the_card_tells_of_the_whole_table_and_of_the_sample(stream):
    frame = birds(3_000)
    wing = frame["wing"].to_list()
    wing[:30] = [77.5] * 30
    labels = frame["bird"].to_list()
    labels[100:110] = [None] * 10
    frame = frame.with_columns(pl.Series("wing", wing), pl.Series("bird", labels))
    trained = train_streamed(stream(frame), "bird", make_config(**QUICK, max_epochs=1))
    data, rows = trained.report.data, trained.report.data.rows
    assert (data.n_rows, data.n_columns, rows.dropped) == (3_000, 5, 10)
    assert rows.train + rows.valid + rows.test + rows.conformal == 2_990
    assert dict(zip(trained.schema.labels, data.class_counts, strict=True)) == {
        label: (frame["bird"] == label).sum() for label in ("crow", "owl")
    }
    assert rows.test < 150
    assert "of 3,000 rows decided on columns, categories and scales" in data.warnings[-1]
    wing_feature = next(feature for feature in trained.schema.numeric if feature.name == "wing")
    assert wing_feature.maximum == 77.5


@pytest.mark.usefixtures("small_steps")
def test_the_same_arguments_give_the_same_bytes(stream):
    frame, config = birds(1_500), make_config(**QUICK, max_epochs=3)
    first, second = (train_streamed(stream(frame), "bird", config).model for _ in range(2))
    assert first == second


@pytest.mark.usefixtures("small_steps")
def test_an_observer_hears_of_reading_and_of_the_epochs(stream):
    told = []

    class Listener(Observer):
        def stage(self, name):
            told.append(name)

        def progress(self, share):
            told.append(share)

        def epoch(self, record, max_epochs):
            told.append(record)

    train_streamed(stream(birds(1_500)), "bird", make_config(**QUICK, max_epochs=2), observer=Listener())
    preparing, fitting, calibrating = (told.index(name) for name in ("preparing", "fitting", "calibrating"))
    assert told[fitting - 1] == 1.0
    assert len(told[preparing + 1 : fitting]) > 2
    shares = [item for item in told[fitting + 1 : calibrating] if isinstance(item, float)]
    assert shares.count(0.0) == 2
    assert len(shares) > 4


@pytest.mark.usefixtures("small_steps")
def test_a_time_budget_ends_an_epoch_in_its_middle(stream):
    config = make_config(**QUICK, max_epochs=50, time_budget_s=1e-9)
    report = train_streamed(stream(birds(2_500)), "bird", config).report
    assert (report.training.n_epochs, report.training.stop_reason) == (1, "annealed")


@pytest.mark.usefixtures("small_steps")
def test_classes_of_a_streamed_table_can_be_weighted(stream):
    config = make_config(**SINGLE, max_epochs=2, class_weights=True)
    assert train_streamed(stream(birds(1_500)), "bird", config).report.training.n_epochs == 2


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(("cell", "shown"), [("inf", '"inf"'), ("long", '"long"')])
def test_a_cell_outside_the_sample_that_is_no_number_is_refused_with_its_row(stream, cell, shown):
    frame = birds(3_000)
    tail = frame["tail"].cast(pl.String).to_list()
    tail[2_345] = cell
    with pytest.raises(
        InvalidData, match=f"column 'tail' must hold numbers .*, got {shown} in row 2345, counted from 0"
    ):
        train_streamed(stream(frame.with_columns(pl.Series("tail", tail))), "bird", make_config())


def test_what_cannot_be_streamed_is_refused_before_anything_is_read(stream, monkeypatch):
    table = stream(birds(100))
    monkeypatch.setattr(type(table.rows), "slice", lambda *_arguments: pytest.fail("nothing was to be read"))
    with pytest.raises(InvalidConfig, match="batch_size must be a number or 'auto' for a table that is streamed"):
        train_streamed(table, "bird", make_config("reference"))
    with pytest.raises(InvalidData, match="the target must be a column of the table, got 'brid'"):
        train_streamed(table, "brid", make_config())
    with pytest.raises(InvalidData, match="each name in 'exclude' must be a column"):
        train_streamed(table, "bird", make_config(), ColumnChoice(exclude=("beak",)))


def test_rows_that_are_too_wide_for_the_memory_are_refused(stream):
    table = stream(birds(100))
    wide = dataclasses.replace(table, size=dataclasses.replace(table.size, n_bytes=1e6))
    with pytest.raises(InvalidData, match="rows of 1,000,000 bytes must have"):
        train_streamed(wide, "bird", make_config())


def test_memory_does_not_grow_with_the_table(tmp_path):
    n_rows, n_columns = 1 << 16, 40
    rng = np.random.default_rng(0)
    piece = pl.DataFrame({f"x{i}": rng.normal(size=n_rows) for i in range(n_columns)}).with_columns(
        label=pl.col("x0") > 0
    )
    frame = pl.concat([piece] * 15, rechunk=False)
    frame.write_parquet(tmp_path / "long.parquet", compression="uncompressed", row_group_size=n_rows)
    decoded_bytes = frame.estimated_size()
    assert decoded_bytes > 300e6
    command = [sys.executable, Path(__file__).with_name("growing.py"), tmp_path / "long.parquet"]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown < decoded_bytes * 2 / 3
