"""What the loop trains on when a table is streamed: every row once a pass, in a new order, few at a time."""

import numpy as np
import polars as pl
import pytest
import torch

from contract.config import ColumnChoice, make_config
from contract.tensors import Tensors
from tests.training.streamed.conftest import birds
from training.columns import choose_columns
from training.folds import make_folds
from training.loop import Samples
from training.parts import make_parts
from training.preprocessing import fit_preprocessing
from training.streamed import portions
from training.streamed.portions import split_evenly, stream_rows
from training.streamed.rest import Rest
from training.streamed.scan import scan

pytestmark = pytest.mark.usefixtures("small_steps")
N_MEMBERS = 4


class Streamed:
    """A table's sample and rest, ready to be trained on by an ensemble."""

    def __init__(self, table, target="bird", sample_share=0.2, buffer_bytes=10**9):
        config = make_config(n_members=N_MEMBERS, standardize=False, n_frequencies=0)
        scanned = scan(table.rows, target, sample_share, 0, lambda _share: None)
        columns = choose_columns(scanned.sample, target, ColumnChoice(include=("number",)), 128)
        self.parts = make_parts(scanned.sample, target, columns, config, None)
        train = self.parts.train
        self.preprocessing = fit_preprocessing(self.parts.schema, train.tensors, standardize=False)
        x, y = torch.from_numpy(self.preprocessing.transform(train.tensors)), torch.from_numpy(train.y)
        self.folds = make_folds(train.y, N_MEMBERS, 0.25, seed=0)
        self.sample = self.folds.train_samples(x, y)
        counts = np.array([scanned.label_counts[label] for label in self.parts.schema.labels])
        in_sample = np.bincount(self.parts.y[self.parts.y >= 0])
        self.rest = Rest(table.rows, self.parts.schema, scanned.sample_rows, counts - in_sample, buffer_bytes)
        self.shares = []

    def open(self, sample=None):
        return stream_rows(sample or self.sample, self.rest, self.preprocessing, 0, self.shares.append)

    @property
    def number(self):
        """The column of x that tells rows apart."""
        return [feature.name for feature in self.parts.schema.numeric].index("number")

    def numbers(self, samples):
        """Which rows those of some portions are."""
        return torch.cat([one.x[:, self.number] for one in samples]).tolist()


def train_numbers(frame, streamed):
    """The rows that are to be trained on: those with a label that neither test nor calibrate sets."""
    labelled = set(frame.filter(pl.col("bird").is_not_null())["number"].to_list())
    for part in (streamed.parts.test, streamed.parts.conformal):
        labelled -= set(part.tensors.x_num[:, streamed.number].tolist())
    return sorted(labelled)


def with_holes(frame):
    return frame.with_columns(bird=pl.when(pl.int_range(pl.len()) % 11 != 0).then("bird"))


@pytest.mark.parametrize("buffer_bytes", [10**9, 60_000])
def test_an_epoch_that_is_a_pass_has_every_train_row_once_and_no_other(stream, buffer_bytes):
    frame = with_holes(birds(2_000))
    streamed = Streamed(stream(frame), buffer_bytes=buffer_bytes)
    with streamed.open() as rows:
        first, second = (streamed.numbers(rows.portions()) for _ in range(2))
    assert sorted(first) == sorted(second) == train_numbers(frame, streamed)
    assert first != second


def test_epochs_of_a_longer_table_follow_each_other_through_it(stream, monkeypatch):
    frame = birds(2_000)
    streamed = Streamed(stream(frame))
    expected = train_numbers(frame, streamed)
    monkeypatch.setattr(portions, "EPOCH_ROWS", -(-len(expected) // 3))
    with streamed.open() as rows:
        epochs = [streamed.numbers(rows.portions()) for _ in range(3)]
    assert len({len(epoch) for epoch in epochs}) == 1
    seen = [number for epoch in epochs for number in epoch]
    assert sorted(set(seen)) == expected
    assert len(seen) <= len(expected) + 2


def test_portions_are_as_large_as_they_were_said_to_be_and_tell_how_far_the_epoch_is(stream):
    streamed = Streamed(stream(birds(2_000)), buffer_bytes=60_000)
    with streamed.open() as rows:
        sizes = [len(samples.y) for samples in rows.portions()]
    assert tuple(sizes) == rows.portion_rows
    assert max(sizes) <= 500
    assert streamed.shares[0] == 0.0
    assert streamed.shares[-1] == 1.0
    assert streamed.shares == sorted(streamed.shares)


def test_no_more_rows_are_held_than_the_buffers_may_have(stream, monkeypatch):
    streamed = Streamed(stream(birds(3_000)), buffer_bytes=60_000)
    bytes_per_row = 4 * streamed.preprocessing.d_in + 8 * N_MEMBERS
    made = []
    fill = portions._fill

    def record(*arguments):
        for x, y in fill(*arguments):
            made.append(x.numel() * x.element_size() + y.numel() * y.element_size())
            yield x, y

    monkeypatch.setattr(portions, "_fill", record)
    read = []
    slices = type(streamed.rest.rows).slice
    monkeypatch.setattr(
        type(streamed.rest.rows),
        "slice",
        lambda rows, wanted, start, n_rows: read.append(n_rows) or slices(rows, wanted, start, n_rows),
    )
    with streamed.open() as rows:
        for _ in rows.portions():
            pass
    assert len(made) > 3
    assert max(made) * portions.BUFFERS <= 60_000
    assert max(read) * bytes_per_row <= 60_000


def test_a_buffer_has_few_rows_even_where_there_is_memory_for_many(stream, monkeypatch):
    monkeypatch.setattr(portions, "BUFFER_ROWS", 400)
    streamed = Streamed(stream(birds(2_000)))
    made = []
    fill = portions._fill
    monkeypatch.setattr(portions, "_fill", lambda *arguments: (made.append(len(b[1])) or b for b in fill(*arguments)))
    with streamed.open() as rows:
        n_rows = sum(len(samples.y) for samples in rows.portions())
    assert n_rows > 1_200
    assert max(made) <= 400


def test_a_row_that_a_member_leaves_out_is_no_target_of_its_own(stream):
    streamed = Streamed(stream(birds(1_500)))
    numbers = streamed.parts.train.tensors.x_num[:, streamed.number]
    held = [set(numbers[rows].tolist()) for rows in streamed.folds.rows]
    with streamed.open() as rows:
        for samples in rows.portions():
            for number, targets in zip(samples.x[:, streamed.number].tolist(), samples.y, strict=True):
                assert [int(target) < 0 for target in targets] == [number in of_member for of_member in held]


def test_rows_of_the_rest_are_what_the_same_rows_in_memory_would_be(stream):
    frame = with_holes(birds(1_500)).with_columns(
        place=pl.when(pl.int_range(pl.len()) % 13 == 0).then(pl.lit("moon")).otherwise("place")
    )
    streamed = Streamed(stream(frame))
    with streamed.open() as rows:
        samples = list(rows.portions())
    found = dict(zip(streamed.numbers(samples), torch.cat([one.x for one in samples]), strict=True))
    schema = streamed.parts.schema
    for row in frame.filter(pl.col("number").is_in(list(found))).iter_rows(named=True):
        x_num = np.array([[np.nan if row[one.name] is None else row[one.name] for one in schema.numeric]], np.float32)
        x_cat = np.array([[row["place"] or ""]], dtype=object)
        expected = streamed.preprocessing.transform(Tensors(x_num, x_cat, {}))[0]
        assert np.array_equal(found[row["number"]].numpy(), expected)


def test_class_counts_are_those_of_all_train_rows_for_all_members(stream):
    frame = with_holes(birds(1_500))
    streamed = Streamed(stream(frame))
    with streamed.open() as rows:
        targets = torch.cat([samples.y for samples in rows.portions()])
        assert torch.equal(rows.class_counts(2), torch.bincount(targets[targets >= 0]))


def test_a_single_network_has_one_target_a_row(stream):
    streamed = Streamed(stream(birds(1_500)))
    train = streamed.parts.train
    sample = Samples(streamed.sample.x, torch.from_numpy(train.y))
    with streamed.open(sample) as rows:
        targets = torch.cat([samples.y for samples in rows.portions()])
        assert torch.equal(rows.class_counts(2), torch.bincount(targets))


def test_portions_of_a_sorted_table_have_all_classes(stream, monkeypatch):
    monkeypatch.setattr(portions, "PORTION_ROWS", 200)
    streamed = Streamed(stream(birds(3_000).sort("bird")))
    with streamed.open() as rows:
        overall = float((rows.class_counts(2) / rows.class_counts(2).sum())[1])
        shares = [float((one.y[:, 0] == 1).sum() / (one.y[:, 0] >= 0).sum()) for one in rows.portions()]
    assert len(shares) > 10
    assert all(abs(share - overall) < 0.2 for share in shares)  # five deviations of a share of 200 rows


def test_a_buffer_is_filled_from_all_over_the_table(stream):
    frame = birds(3_000)
    streamed = Streamed(stream(frame), buffer_bytes=60_000)
    with streamed.open() as rows:
        numbers = streamed.numbers([next(rows.portions())])
    assert len(numbers) < 500
    assert 0.25 < np.mean(np.array(numbers) < frame.height / 2) < 0.75


def test_a_file_that_breaks_while_it_is_read_ends_the_epoch_with_its_error(stream, monkeypatch):
    streamed = Streamed(stream(birds(1_500)))

    def fail(*_arguments):
        raise ValueError("the disk is gone")

    monkeypatch.setattr(type(streamed.rest.rows), "slice", fail)
    with streamed.open() as rows, pytest.raises(ValueError, match="the disk is gone"):
        list(rows.portions())


@pytest.mark.parametrize(("n_rows", "most"), [(1, 1), (7, 7), (8, 7), (100, 33), (5, 1_000)])
def test_parts_are_as_few_and_as_equal_as_can_be(n_rows, most):
    parts = split_evenly(n_rows, most)
    assert sum(parts) == n_rows
    assert max(parts) <= most
    assert max(parts) - min(parts) <= 1
    assert len(parts) == -(-n_rows // most)
