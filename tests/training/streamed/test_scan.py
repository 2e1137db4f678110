"""One pass over a table: a sample of its rows, and exact facts of the others."""

import numpy as np
import polars as pl
import pytest

from contract.errors import InvalidData
from tests.training.streamed.conftest import birds
from training.batches import Wanted
from training.streamed.scan import ROWS_OF_EACH_LABEL, scan

pytestmark = pytest.mark.usefixtures("small_steps")


def scan_frame(stream, frame, share=0.1, **kwargs):
    options = {"seed": 0, "on_progress": lambda _share: None} | kwargs
    return scan(stream(frame).rows, "bird", share, **options)


def test_a_sample_holds_about_its_share_of_the_rows_in_the_tables_order(stream):
    frame = birds(3_000)
    scanned = scan_frame(stream, frame)
    assert 230 <= scanned.sample.height <= 380
    assert scanned.sample.equals(frame[scanned.sample_rows])
    assert np.all(np.diff(scanned.sample_rows) > 0)


def test_a_sample_depends_on_the_seed_and_not_on_the_slices(stream, monkeypatch):
    frame = birds(1_000)
    rows = scan_frame(stream, frame).sample_rows
    assert not np.array_equal(rows, scan_frame(stream, frame, seed=1).sample_rows)
    monkeypatch.setattr("training.binary_rows.MAX_CELLS", 77)
    assert np.array_equal(rows, scan_frame(stream, frame).sample_rows)


def test_a_share_of_one_is_every_row(stream):
    frame = birds(500)
    assert scan_frame(stream, frame, share=1.0).sample.equals(frame)


def test_rare_labels_are_in_the_sample_and_missing_ones_are_counted_nowhere(stream):
    labels = ["wren"] * 3 + [None] * 10 + ["owl", "crow"] * 1_000 + ["rook"] * 7
    frame = birds(len(labels)).with_columns(pl.Series("bird", labels))
    scanned = scan_frame(stream, frame, share=0.001)
    assert scanned.label_counts == {"wren": 3, "owl": 1_000, "crow": 1_000, "rook": 7}
    counts = dict(scanned.sample["bird"].value_counts().iter_rows())
    assert counts["wren"] == 3
    assert all(counts[label] >= 5 for label in ("owl", "crow", "rook"))
    assert ROWS_OF_EACH_LABEL >= 5


def test_facts_are_those_of_the_rows_outside_the_sample_that_have_a_label(stream):
    frame = birds(2_000)
    labels = frame["bird"].to_list()
    labels[100] = None
    wing = frame["wing"].to_list()
    wing[100] = 99.0
    frame = frame.with_columns(pl.Series("bird", labels), pl.Series("wing", wing))
    scanned = scan_frame(stream, frame)
    rest = frame.with_row_index().filter(~pl.col("index").is_in(scanned.sample_rows), pl.col("bird").is_not_null())
    facts = scanned.facts["wing"]
    assert (facts.minimum, facts.maximum, facts.missing) == (
        pytest.approx(rest["wing"].min()), pytest.approx(rest["wing"].max()), False
    )  # fmt: skip
    assert scanned.facts["tail"].missing
    assert (scanned.facts["place"].minimum, scanned.facts["place"].missing) == (np.inf, False)


def test_the_first_cell_that_is_no_number_is_told_with_its_row(stream):
    frame = birds(1_000)
    wing = frame["wing"].to_list()
    wing[700] = wing[800] = float("inf")
    tail = frame["tail"].cast(pl.String).to_list()
    tail[301] = "long"
    scanned = scan_frame(stream, frame.with_columns(pl.Series("wing", wing), pl.Series("tail", tail)), share=0.0)
    assert scanned.facts["wing"].wrong == ("Infinity", 700)
    assert scanned.facts["tail"].wrong == ('"long"', 301)


def test_a_target_of_quantities_is_refused_before_all_is_read(stream):
    frame = birds(3_000).with_columns(bird=pl.Series(np.arange(3_000)))
    read = []
    with pytest.raises(InvalidData, match=r"must hold classes, got 1... different values in 1... rows: it looks like"):
        scan_frame(stream, frame, on_progress=read.append)
    assert max(read) < 0.5


def test_progress_is_told_up_to_the_end(stream):
    shares = []
    table = stream(birds(1_000))
    scan(table.rows, "bird", 0.1, 0, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) == len(list(table.rows.batches(Wanted(table.columns))))
