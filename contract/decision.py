"""The gate's decision on one challenger, with every number that it rests on. Part of the card, and of the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class GateLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much worse than the champion a challenger may be and still be promoted."""

    log_loss_tolerance: Annotated[float, Meta(ge=0)] = 0.02
    balanced_accuracy_tolerance: Annotated[float, Meta(ge=0, le=1)] = 0.01
    max_label_flips: Annotated[float, Meta(ge=0, le=1)] = 0.25


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Champion and challenger by one metric on the same held-out rows.

    `worse_by` is how much worse the challenger is (negative where it is better), `low` and `high` the 99 % interval of
    a paired bootstrap around it. It has not passed where `worse_by` exceeds `tolerance` and `low` exceeds 0: worse by
    more than is tolerated, and not by chance.
    """

    metric: Literal["log_loss", "balanced_accuracy"]
    champion: float
    challenger: float
    worse_by: float
    low: float
    high: float
    tolerance: float
    passed: bool


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Recent requests answered by champion and challenger.

    `label_flip_rate` is the share of rows whose class changed, `max_probability_change` the largest change of any
    probability. `n_refused` counts rows that the challenger could not answer and the champion could.
    """

    n_requests: int
    n_rows: int
    n_refused: int
    label_flip_rate: float
    max_probability_change: float
    max_label_flips: float
    passed: bool


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of the data found before training. `value` is what was measured, `limit` what it exceeds.

    `refused` says that training stops because of it; otherwise it is a warning.
    """

    check: Literal["label_shift", "rare_class", "few_rows", "duplicates", "contradictions", "leak"]
    column: str | None = None
    detail: str
    value: float
    limit: float
    refused: bool


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a challenger may serve without a person's word, and why not: `reasons` is empty where it may.

    `champion` is the version it was compared with, `sequence` that of the pointer then; None where no version served.
    `held_out_sha256` identifies the `n_held_out` rows. `notes` tells what weakens the comparison.
    """

    passed: bool
    reasons: tuple[str, ...]
    champion: int | None
    sequence: int | None
    n_held_out: int
    held_out_sha256: str
    comparisons: tuple[Comparison, ...] = ()
    replay: Replay | None = None
    schema_changes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
