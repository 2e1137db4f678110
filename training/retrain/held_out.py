"""The held-out rows of a lineage: chosen at its first run, kept for all later ones, found again in every later table.

    <folder>/rows.parquet    never changed once it is there
    <folder>/facts.json

A lineage is a dataset's name and a target. Champion and challenger are compared on these rows, so no version of the
lineage may be trained on them, in whatever table they come again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from contract import durable
from contract.card import Card
from contract.config import ColumnChoice, TrainingConfig
from contract.errors import CorruptArtifact
from contract.staging import locked, staging_folder
from training.columns import choose_columns
from training.dataset import split_rows
from training.labels import MIN_ROWS_PER_CLASS, read_labels
from training.parts import HeldOut
from training.retrain.row_matching import holds_text, match_as_many, match_rows
from training.table import Table

ROWS_FILE = "rows.parquet"
FACTS_FILE = "facts.json"
MAX_LEFT_OUT = 0.5
"""Share of a table that may be kept from training because it is like held-out rows."""
FEW_FOUND = 0.5
"""Share of the held-out rows: where fewer are found in a table, that is noted."""


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """How a table's rows were dealt out: with the same table and target it gives the same parts."""

    valid_fraction: float
    test_fraction: float
    seed: int


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `facts.json` says. `sha256` is that of the Parquet file, `table_sha256` that of the table they came from."""

    target: str
    sha256: str
    n_rows: int
    table_sha256: str
    deal: Deal


@dataclass(frozen=True, slots=True)
class FrozenRows:
    """The held-out rows, and which rows of the table at hand are kept from training because they are like them.

    `notes` tells what weakens any comparison on them. `is_new` says that this run chose them.
    """

    held_out: HeldOut
    facts: Facts
    notes: tuple[str, ...]
    is_new: bool

    @property
    def sha256(self) -> str:
        """Identifies the rows."""
        return self.facts.sha256

    def doubts(self, champion: Card) -> tuple[str, ...]:
        """Why a comparison with this champion is no reason to replace it: these are not the rows that it was kept from.

        Then nobody vouches for them. They came with a table under another name, whose labels may be wrong in them, too.
        """
        if _has_never_seen(champion, self.facts):
            return ()
        return (
            f"version {champion.version}, which serves, was not made with these held-out rows: a person must promote "
            "the first version that is",
        )


def open_held_out(
    folder: Path,
    table: Table,
    target: str,
    config: TrainingConfig,
    champion: Card | None,
    choice: ColumnChoice | None = None,
) -> FrozenRows:
    """The held-out rows of the lineage whose folder this is; its first run chooses them.

    Where the champion was trained on this very table, they are the rows that it was tested on: it never saw them.
    Otherwise they are what `config` makes the test part. A column of the table that they lack is all missing in them.
    Every row of the table that is like one of them is left out; as many rows only where otherwise too few were left.

    Raises:
        InvalidData: the table cannot be trained on.
        CorruptArtifact: what was kept is damaged.
        OSError: the disk is full or fails.
    """
    features = choose_columns(table.frame, target, choice or ColumnChoice(), config.max_categories).kinds
    is_new = not folder.exists() and _choose(folder, table, target, config, champion)
    frame, facts = _read(folder, target)
    rows, notes = _left_out(table, frame, features, target)
    absent = [name for name in features if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, table.frame[name].dtype).alias(name) for name in absent)
    return FrozenRows(
        held_out=HeldOut(frame, rows),
        facts=facts,
        notes=(
            *(f"the held-out rows have no column {name!r}: it is missing in all of them" for name in absent),
            *notes,
        ),
        is_new=is_new,
    )


def _left_out(table: Table, frame: pl.DataFrame, features: Iterable[str], target: str) -> tuple[np.ndarray, list[str]]:
    """The numbers of the rows to keep from training because they are like those in `frame`; and what to note of it."""
    features = list(features)
    rows = match_rows(table.frame, frame, features)
    n_found = len(match_rows(frame, table.frame, features))
    notes = []
    if n_found < FEW_FOUND * frame.height:
        notes.append(
            f"only {n_found} of {frame.height} held-out rows were found in the table: if the others are in it in "
            "another form, such as rounded, they were trained on"
        )
    if not _leaves_enough(table, target, rows):
        rows = match_as_many(table.frame, frame, features, target)
        notes.append(
            "so many rows are like a held-out one that only one for each was left out: copies of them were trained "
            "on, which favours a version that knows them by heart"
        )
    return rows, notes


def _leaves_enough(table: Table, target: str, rows: np.ndarray) -> bool:
    """Whether a model can be trained without these rows: most of the table is left, and some of every class."""
    labels, y = read_labels(table.frame, target)
    y[rows] = -1
    n_left = np.bincount(y[y >= 0], minlength=len(labels))
    return len(rows) <= MAX_LEFT_OUT * table.frame.height and bool(n_left.min() >= MIN_ROWS_PER_CLASS)


def _choose(folder: Path, table: Table, target: str, config: TrainingConfig, champion: Card | None) -> bool:
    """Freeze the held-out rows; False where another run has just been faster."""
    _, y = read_labels(table.frame, target)
    deal = deal_of(champion, table.sha256, target) or msgspec.convert(config, Deal, from_attributes=True)
    rows = split_rows(y, valid_fraction=deal.valid_fraction, test_fraction=deal.test_fraction, seed=deal.seed).test
    content = io.BytesIO()
    table.frame.select(column for column in table.frame if holds_text(column))[rows].write_parquet(content)
    facts = Facts(
        target=target,
        sha256=hashlib.sha256(content.getvalue()).hexdigest(),
        n_rows=len(rows),
        table_sha256=table.sha256,
        deal=deal,
    )
    return _write(folder, content.getvalue(), facts)


def _write(folder: Path, rows: bytes, facts: Facts) -> bool:
    """Keep both files, whole or not at all; False where they are there already."""
    durable.make_folder(folder.parent)
    with staging_folder(folder.parent) as staging:
        durable.write_file(staging / ROWS_FILE, rows)
        durable.write_file(staging / FACTS_FILE, msgspec.json.encode(facts) + b"\n")
        durable.sync_folder(staging)
        with locked(folder.parent):
            try:
                durable.rename_folder(staging, folder)
            except FileExistsError:
                return False
    return True


def _read(folder: Path, target: str) -> tuple[pl.DataFrame, Facts]:
    """What was kept, verified.

    Raises:
        CorruptArtifact: it is damaged, or of another target.
    """
    mend = f"delete {folder.name} to choose held-out rows anew"
    try:
        facts = msgspec.json.decode((folder / FACTS_FILE).read_bytes(), type=Facts)
        content = (folder / ROWS_FILE).read_bytes()
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptArtifact(f"kept held-out rows must be readable: {error}; {mend}") from error
    if (actual := hashlib.sha256(content).hexdigest()) != facts.sha256:
        raise CorruptArtifact(f"kept held-out rows must have SHA-256 {facts.sha256}, got {actual}; {mend}")
    if facts.target != target:
        raise CorruptArtifact(f"kept held-out rows must be those of {target!r}, got {facts.target!r}; {mend}")
    return pl.read_parquet(io.BytesIO(content)), facts


def deal_of(card: Card | None, table_sha256: str, target: str) -> Deal | None:
    """How the model's rows were dealt out, where it was trained on that table and tested on a part of it."""
    if card is None or card.origin is not None:
        return None
    if (card.report.data.sha256, card.report.data.target) != (table_sha256, target):
        return None
    try:
        return msgspec.convert(card.report.config, Deal)
    except msgspec.ValidationError:  # a card that something else wrote
        return None


def _has_never_seen(champion: Card, facts: Facts) -> bool:
    """Whether a model cannot have been trained on the held-out rows: they were kept from it, or tested it."""
    if champion.origin:
        return champion.origin.gate.held_out_sha256 == facts.sha256
    return deal_of(champion, facts.table_sha256, facts.target) == facts.deal
