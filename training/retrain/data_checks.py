"""What is suspicious about a table before a model is trained on it, by itself and against the champion's.

Each check has two limits: beyond the first it warns, beyond the second it refuses. The first is where a person should
look, the second where hardly any honest table lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from contract.config import ColumnChoice, TrainingConfig
from contract.decision import Finding
from contract.faults import show
from contract.job import DataChecks
from contract.repository import Artifact
from contract.schema import Label, label_text
from training.columns import choose_columns
from training.labels import read_labels
from training.retrain.findings import Limits
from training.retrain.leaks import find_leaks
from training.retrain.repeats import find_repeats
from training.retrain.scoring import open_model
from training.table import Table

LABEL_SHIFT = Limits(warn=0.10, refuse=0.40)
"""Of the share of rows that would need another label. Seasons and campaigns move some tenths; only another population,
or a column that was mixed up, moves more."""
MIN_ROWS_OF_CLASS = 20
"""Below it about 3 rows each are left to validate and to test on, which tell nothing."""
ROWS_LEFT = Limits(warn=0.5, refuse=0.1)
"""Of the champion's rows. A window that moves on has about as many; an export that broke off has few."""
MAX_NAMED = 10
"""How many classes a finding lists."""

Counts = Mapping[str, int]
"""The rows of each class, by the text of its label."""


def check_data(
    table: Table, target: str, choice: ColumnChoice, champion: Artifact | None, mode: DataChecks
) -> tuple[Finding, ...]:
    """What the checks find; with `mode` "warn" none of it is a refusal.

    Raises:
        InvalidData: the table cannot be trained on at all.
        CorruptArtifact: the champion carries no schema.
    """
    kinds = choose_columns(table.frame, target, choice, TrainingConfig().max_categories).kinds
    labels, y = read_labels(table.frame, target)
    counts = _counts(labels, np.bincount(y[y >= 0], minlength=len(labels)).tolist())
    findings = _rare_classes(counts)
    if champion:
        data = champion.card.report.data
        old_counts = _counts(open_model(champion.model).schema.labels, data.class_counts)
        findings += [*_label_shift(counts, old_counts), *_gone_classes(counts, old_counts)]
        findings += _few_rows(table.frame.height, data.n_rows)
    labelled = table.frame.filter(y >= 0)
    findings += [*find_repeats(labelled, y[y >= 0], kinds), *find_leaks(labelled, y[y >= 0], kinds)]
    return tuple(findings if mode == "refuse" else [msgspec.structs.replace(one, refused=False) for one in findings])


def _counts(labels: Sequence[Label], counts: Sequence[int]) -> Counts:
    """By text: a label that was the text "1" and is the number 1 now is a change of the schema, not of the data."""
    return {label_text(label): n for label, n in zip(labels, counts, strict=True)}


def _label_shift(counts: Counts, old_counts: Counts) -> list[Finding]:
    """By the total variation distance between the shares of the classes."""
    n_rows, n_old_rows = sum(counts.values()), sum(old_counts.values())
    moves = {
        name: counts.get(name, 0) / n_rows - old_counts.get(name, 0) / n_old_rows for name in {**old_counts, **counts}
    }
    distance = sum(map(abs, moves.values())) / 2
    most = max(moves, key=lambda name: abs(moves[name]))
    share, old_share = counts.get(most, 0) / n_rows, old_counts.get(most, 0) / n_old_rows
    detail = (
        f"{distance:.1%} of the rows would need another label for the classes to have the shares of the version that "
        f"serves; most changed is {show(most)}, from {old_share:.1%} to {share:.1%}"
    )
    return LABEL_SHIFT.judge("label_shift", distance, detail)


def _gone_classes(counts: Counts, old_counts: Counts) -> list[Finding]:
    gone = [name for name in old_counts if name not in counts]
    if not gone:
        return []
    detail = f"no row has a class of the version that serves: {_listed(map(show, gone))}"
    return [Finding(check="rare_class", detail=detail, value=0, limit=1, refused=True)]


def _rare_classes(counts: Counts) -> list[Finding]:
    rare = {name: n for name, n in counts.items() if n < MIN_ROWS_OF_CLASS}
    if not rare:
        return []
    listed = _listed(f"{show(name)} with {n}" for name, n in rare.items())
    detail = f"classes have fewer than {MIN_ROWS_OF_CLASS} rows: {listed}"
    return [
        Finding(check="rare_class", detail=detail, value=min(rare.values()), limit=MIN_ROWS_OF_CLASS, refused=False)
    ]


def _few_rows(n_rows: int, n_old_rows: int) -> list[Finding]:
    detail = f"the table has {n_rows} rows, against {n_old_rows} of the version that serves"
    return ROWS_LEFT.judge("few_rows", n_rows / n_old_rows, detail)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f", … ({len(listed)} in all)" if len(listed) > MAX_NAMED else ""
    return ", ".join(listed[:MAX_NAMED]) + more
