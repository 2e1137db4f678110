"""The gate: may the challenger serve in the champion's place without a person's word?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contract.decision import Comparison, Finding, GateDecision, GateLimits, Replay
from contract.errors import CallerError
from contract.repository import Artifact
from training.cells import spell, texts
from training.parts import HeldOut
from training.retrain.comparing import compare_balanced_accuracy, compare_log_loss, log_losses
from training.retrain.held_out import FrozenRows
from training.retrain.replay import replay
from training.retrain.schema_changes import schema_changes
from training.retrain.scoring import Model, open_model, score
from training.run import TrainedModel

FEW_ROWS = 100
"""With fewer held-out rows a 99 % interval is about ±0.13 wide around an accuracy: only large differences show."""


def decide(
    trained: TrainedModel,
    champion: Artifact | None,
    sequence: int | None,
    frozen: FrozenRows,
    limits: GateLimits,
    requests: Sequence[bytes],
    findings: Sequence[Finding],
) -> GateDecision:
    """Whether the challenger passes; the same arguments give the same decision.

    It passes where it is not clearly worse than the champion on the held-out rows, takes the same requests as the
    champion, and answers recent ones, the bodies in `requests`, much like it. Without a champion it must do better than
    always answering the classes' shares. `sequence` is the pointer's, `findings` those of the checks of the data.

    Raises:
        CorruptArtifact: the champion carries no schema.
    """
    challenger = open_model(trained.model)
    classes = _classes(frozen.held_out, challenger.schema.target)
    few = [f"there are only {len(classes)} held-out rows, on which only large differences show"]
    comparisons: tuple[Comparison, ...] = ()
    changes: tuple[str, ...] = ()
    replayed: Replay | None = None
    if champion is None:
        reasons = _against_shares(challenger, frozen.held_out, classes)
    else:
        old = open_model(champion.model)
        changes = schema_changes(old.schema, challenger.schema)
        comparisons, reasons = _compare(old, challenger, frozen.held_out, classes, limits)
        replayed = replay(old, challenger, requests, limits)
        reasons += [*frozen.doubts(champion.card), *_change_reasons(changes), *_replay_reasons(replayed)]
    return GateDecision(
        passed=not reasons,
        reasons=tuple(reasons),
        champion=champion.card.version if champion else None,
        sequence=sequence,
        n_held_out=len(classes),
        held_out_sha256=frozen.sha256,
        comparisons=comparisons,
        replay=replayed,
        schema_changes=changes,
        findings=tuple(findings),
        notes=(
            *frozen.notes,
            *(few if len(classes) < FEW_ROWS else ()),
        ),
    )


def _classes(held_out: HeldOut, target: str) -> np.ndarray:
    """For each held-out row the index of its class, int64 `(n_rows,)`, whatever classes the models know."""
    return spell(texts(held_out.frame[target])).rank("dense").to_numpy().astype(np.int64) - 1


def _compare(
    champion: Model, challenger: Model, held_out: HeldOut, classes: np.ndarray, limits: GateLimits
) -> tuple[tuple[Comparison, ...], list[str]]:
    """The comparisons, and the reasons that they give."""
    target = challenger.schema.target
    try:
        before = score(champion, held_out, target)
    except CallerError as error:
        return (), [f"the version that serves cannot be compared, since it cannot take the held-out rows: {error}"]
    after = score(challenger, held_out, target)
    comparisons = (
        compare_log_loss(before, after, limits.log_loss_tolerance),
        compare_balanced_accuracy(before, after, classes, limits.balanced_accuracy_tolerance),
    )
    return comparisons, [_worse(comparison) for comparison in comparisons if not comparison.passed]


def _worse(comparison: Comparison) -> str:
    return (
        f"its {comparison.metric.replace('_', ' ')} on the held-out rows is {comparison.challenger:.4f}, against "
        f"{comparison.champion:.4f} of the version that serves: worse by {comparison.worse_by:.4f} (99 % interval "
        f"{comparison.low:.4f} to {comparison.high:.4f}), where {comparison.tolerance:g} is tolerated"
    )


def _against_shares(challenger: Model, held_out: HeldOut, classes: np.ndarray) -> list[str]:
    shares = np.bincount(classes) / len(classes)
    baseline = float(-(shares * np.log(shares)).sum())
    loss = float(log_losses(score(challenger, held_out, challenger.schema.target)).mean())
    if loss < baseline:
        return []
    return [
        f"its log loss on the held-out rows is {loss:.4f}, no better than the {baseline:.4f} of always answering the "
        "classes' shares"
    ]


def _change_reasons(changes: Sequence[str]) -> list[str]:
    return [f"the schema changed ({'; '.join(changes)}): a person must promote it"] if changes else []


def _replay_reasons(replayed: Replay | None) -> list[str]:
    if replayed is None or replayed.passed:
        return []
    if replayed.n_refused:
        return [f"it could not answer {replayed.n_refused} of {replayed.n_rows} rows of recent requests"]
    return [
        f"it gives another class to {replayed.label_flip_rate:.1%} of {replayed.n_rows} rows of recent requests, where "
        f"{replayed.max_label_flips:.1%} is the limit"
    ]
