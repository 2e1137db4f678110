"""The held-out rows of a lineage: chosen once, kept, found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from contract.config import ColumnChoice, make_config
from contract.errors import CorruptArtifact, InvalidData
from contract.staging import STAGING_PREFIX
from tests.contract.origins import origin
from tests.training.retrain.making import QUICK, artifact, builtin, seeded, table_of, with_flips
from training.dataset import split_rows
from training.labels import read_labels
from training.retrain.held_out import FACTS_FILE, ROWS_FILE, FrozenRows, open_held_out
from training.run import train_model
from training.table import read_table

IRIS, SPECIES = builtin("iris")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "held-out" / "flowers" / "species"


def split_of(config):
    _, y = read_labels(IRIS.frame, SPECIES)
    return split_rows(y, valid_fraction=config.valid_fraction, test_fraction=config.test_fraction, seed=config.seed)


def all_like(frame: pl.DataFrame, rows: pl.DataFrame) -> list[int]:
    """The numbers of the rows of `frame` whose features are those of one of `rows`."""
    wanted = set(rows.drop(SPECIES).rows())
    return [number for number, row in enumerate(frame.drop(SPECIES).rows()) if row in wanted]


def contents(frozen: FrozenRows) -> pl.DataFrame:
    return frozen.held_out.frame


def test_the_first_run_holds_out_its_test_rows(folder):
    frozen = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    assert frozen.is_new
    assert contents(frozen).equals(IRIS.frame[split_of(QUICK).test])
    assert frozen.held_out.rows.tolist() == all_like(IRIS.frame, contents(frozen))
    assert frozen.notes == ()


def test_later_runs_hold_out_the_same_rows_whatever_their_config(folder):
    first = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    later = open_held_out(folder, IRIS, SPECIES, make_config(seed=7, test_fraction=0.4), None)
    assert not later.is_new
    assert later.sha256 == first.sha256
    assert contents(later).equals(contents(first))
    assert later.held_out.rows.tolist() == first.held_out.rows.tolist()


def test_the_rows_are_found_in_a_later_table_of_another_format_and_order(folder, tmp_path):
    first = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    file = tmp_path / "later.csv"
    IRIS.frame.reverse().write_csv(file)
    later = open_held_out(folder, read_table(str(file)), SPECIES, QUICK, None)
    found = read_table(str(file)).frame[later.held_out.rows].cast(IRIS.frame.schema)
    columns = IRIS.frame.columns
    assert found.sort(columns).equals(IRIS.frame[first.held_out.rows].sort(columns))


def test_the_rows_are_found_when_their_labels_were_changed(folder):
    first = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    later = open_held_out(folder, with_flips(IRIS, SPECIES, 1.0), SPECIES, QUICK, None)
    assert later.held_out.rows.tolist() == first.held_out.rows.tolist()


def test_no_copy_of_a_held_out_row_is_trained_on(folder):
    first = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    doubled = table_of(pl.concat([IRIS.frame, IRIS.frame]))
    later = open_held_out(folder, doubled, SPECIES, QUICK, None)
    assert later.held_out.rows.tolist() == all_like(doubled.frame, contents(first))
    assert later.notes == ()


def test_no_copy_is_trained_on_at_the_first_run_either(folder):
    doubled = table_of(pl.concat([IRIS.frame, IRIS.frame]))
    first = open_held_out(folder, doubled, SPECIES, QUICK, None)
    assert len(first.held_out.rows) > len(contents(first))
    assert first.held_out.rows.tolist() == all_like(doubled.frame, contents(first))


COPIES = (
    "so many rows are like a held-out one that only one for each was left out: copies of them were trained on, which "
    "favours a version that knows them by heart"
)


def test_in_a_table_of_few_categories_one_copy_for_each_is_left_out(folder):
    cells = pl.DataFrame({f"x{i}": [(row >> i) % 2 for row in range(200)] for i in range(3)})
    table = table_of(cells.with_columns(pl.Series(SPECIES, ["a", "b"] * 100)))
    frozen = open_held_out(folder, table, SPECIES, QUICK, None)
    assert len(frozen.held_out.rows) == len(contents(frozen))
    assert frozen.notes == (COPIES,)
    assert open_held_out(folder, table, SPECIES, QUICK, None).notes == (COPIES,)


def test_where_a_class_would_be_left_too_small_one_copy_for_each_is_left_out(folder):
    rare = pl.DataFrame({"x": [0.5] * 6 + [100.5 + row for row in range(94)], SPECIES: ["rare"] * 6 + ["b"] * 94})
    frozen = open_held_out(folder, table_of(rare), SPECIES, QUICK, None)
    assert len(frozen.held_out.rows) == len(contents(frozen))
    assert frozen.notes == (COPIES,)


def test_a_table_with_few_of_the_rows_is_noted(folder):
    n_rows = len(contents(open_held_out(folder, IRIS, SPECIES, QUICK, None)))
    moved = table_of(IRIS.frame.with_columns(pl.col("petal_width") + 0.25))
    assert open_held_out(folder, moved, SPECIES, QUICK, None).notes == (
        f"only 0 of {n_rows} held-out rows were found in the table: if the others are in it in another form, such as "
        "rounded, they were trained on",
    )


def test_a_table_with_half_of_the_rows_is_not_noted(folder):
    first = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    half = first.held_out.rows[: len(first.held_out.rows) // 2 - 1]
    later = table_of(IRIS.frame.with_row_index().filter(~pl.col("index").is_in(half)).drop("index"))
    assert open_held_out(folder, later, SPECIES, QUICK, None).notes == ()


def test_a_column_that_was_left_out_does_not_hide_the_rows(folder):
    stamped = table_of(IRIS.frame.with_columns(exported=pl.lit(1.5) + pl.int_range(pl.len()) % 7))
    choice = ColumnChoice(exclude=("exported",))
    first = open_held_out(folder, stamped, SPECIES, QUICK, None, choice)
    later = table_of(stamped.frame.with_columns(pl.col("exported") + 100))
    assert len(open_held_out(folder, later, SPECIES, QUICK, None, choice).held_out.rows) == len(first.held_out.rows)
    assert len(open_held_out(folder, later, SPECIES, QUICK, None).held_out.rows) == 0


def test_a_column_that_the_rows_lack_is_missing_in_them(folder):
    open_held_out(folder, IRIS, SPECIES, QUICK, None)
    wider = table_of(IRIS.frame.with_columns(colour=pl.Series(["red", "blue", "white"] * 50)))
    frozen = open_held_out(folder, wider, SPECIES, QUICK, None)
    assert contents(frozen)["colour"].to_list() == [None] * len(contents(frozen))
    assert frozen.notes == ("the held-out rows have no column 'colour': it is missing in all of them",)
    assert train_model(wider, SPECIES, QUICK, held_out=frozen.held_out).report.metrics.n_samples == len(
        contents(frozen)
    )


def test_columns_that_can_be_no_feature_are_not_kept(folder):
    dated = table_of(IRIS.frame.with_columns(day=pl.date(2026, 1, 1), pair=pl.concat_list("petal_width")))
    assert contents(open_held_out(folder, dated, SPECIES, QUICK, None)).columns == IRIS.frame.columns


def test_a_table_that_cannot_be_learnt_leaves_nothing(folder):
    with pytest.raises(InvalidData):
        open_held_out(folder, table_of(pl.DataFrame({"x": [1.5, 2.5], "species": ["a", "b"]})), SPECIES, QUICK, None)
    assert not folder.exists()


# The champion of before


def test_the_test_rows_of_a_champion_of_the_same_table_are_held_out(folder):
    config = seeded(5, make_config("reference", max_epochs=1, test_fraction=0.3))
    champion = artifact(train_model(IRIS, SPECIES, config)).card
    frozen = open_held_out(folder, IRIS, SPECIES, QUICK, champion)
    assert contents(frozen).equals(IRIS.frame[split_of(config).test])
    assert frozen.doubts(champion) == ()
    assert open_held_out(folder, with_flips(IRIS, SPECIES, 0.5), SPECIES, QUICK, champion).doubts(champion) == ()


@pytest.fixture(scope="module")
def stranger():
    """A model of other rows than those that are held out."""
    return artifact(train_model(with_flips(IRIS, SPECIES, 0.1), SPECIES, make_config("reference", max_epochs=1))).card


def test_a_champion_that_may_have_seen_the_rows_is_doubted_at_every_run(folder, stranger):
    for _ in range(2):
        frozen = open_held_out(folder, IRIS, SPECIES, QUICK, stranger)
        assert contents(frozen).equals(IRIS.frame[split_of(QUICK).test])
        (note,) = frozen.doubts(stranger)
        assert note.startswith("version 1, which serves, was not made with these held-out rows")


def test_a_champion_of_the_lineage_is_not_doubted(folder, stranger):
    frozen = open_held_out(folder, IRIS, SPECIES, QUICK, None)
    made = origin(fence=2)
    of_lineage = msgspec.structs.replace(made, gate=msgspec.structs.replace(made.gate, held_out_sha256=frozen.sha256))
    ours, others = (msgspec.structs.replace(stranger, origin=one) for one in (of_lineage, made))
    assert frozen.doubts(ours) == ()
    assert len(frozen.doubts(others)) == 1


def test_a_champion_whose_card_tells_no_split_is_one_that_may_have_seen_the_rows(folder, stranger):
    data = msgspec.structs.replace(stranger.report.data, sha256=IRIS.sha256)
    card = msgspec.structs.replace(stranger, report=msgspec.structs.replace(stranger.report, config={}, data=data))
    assert len(open_held_out(folder, IRIS, SPECIES, QUICK, card).doubts(card)) == 1


# What is on disk


def test_damaged_rows_are_noticed(folder):
    open_held_out(folder, IRIS, SPECIES, QUICK, None)
    rows = folder / ROWS_FILE
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 1
    rows.write_bytes(bytes(content))
    with pytest.raises(CorruptArtifact, match=r"must have SHA-256 .*, got .*; delete species to choose"):
        open_held_out(folder, IRIS, SPECIES, QUICK, None)


@pytest.mark.parametrize("file", [ROWS_FILE, FACTS_FILE])
def test_a_file_that_is_gone_is_noticed(folder, file):
    open_held_out(folder, IRIS, SPECIES, QUICK, None)
    (folder / file).unlink()
    with pytest.raises(CorruptArtifact, match="must be readable"):
        open_held_out(folder, IRIS, SPECIES, QUICK, None)


def test_damaged_facts_are_noticed(folder):
    open_held_out(folder, IRIS, SPECIES, QUICK, None)
    (folder / FACTS_FILE).write_bytes(b"\xff{")
    with pytest.raises(CorruptArtifact, match="must be readable"):
        open_held_out(folder, IRIS, SPECIES, QUICK, None)


def test_the_rows_of_another_target_are_not_taken(folder):
    open_held_out(folder, IRIS, SPECIES, QUICK, None)
    renamed = table_of(IRIS.frame.rename({SPECIES: "kind"}))
    with pytest.raises(CorruptArtifact, match="must be those of 'kind', got 'species'"):
        open_held_out(folder, renamed, "kind", QUICK, None)


def test_racing_runs_agree(folder):
    opened: list[FrozenRows] = []
    start = threading.Barrier(4)

    def run(seed: int) -> None:
        start.wait()
        opened.append(open_held_out(folder, IRIS, SPECIES, seeded(seed), None))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.sha256 for one in opened}) == 1
    assert sum(one.is_new for one in opened) == 1
    # Two rows of iris are alike, so the numbers may differ where the rows do not.
    first, *others = (IRIS.frame[one.held_out.rows].sort(IRIS.frame.columns) for one in opened)
    assert all(first.equals(other) for other in others)
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(STAGING_PREFIX)] == []


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from contract import durable
from contract.config import make_config
from training.retrain.held_out import open_held_out
from training.table import read_table

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(durable, sys.argv[2], die)
open_held_out(Path(sys.argv[1]), read_table("iris"), "species", make_config(), None)
"""


@pytest.mark.parametrize("step", ["sync_folder", "rename_folder"])
def test_what_a_killed_run_left_is_in_nobodys_way(folder, step):
    folder.parent.mkdir(parents=True)
    command = [sys.executable, "-c", KILLED_WRITER, str(folder), step]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert not folder.exists()
    assert open_held_out(folder, IRIS, SPECIES, QUICK, None).is_new
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(STAGING_PREFIX)] == []


def test_rows_are_row_numbers(folder):
    for _ in range(2):
        assert open_held_out(folder, IRIS, SPECIES, QUICK, None).held_out.rows.dtype == np.int64
