"""From options to a rule that decides: costs that the user gave, or a threshold found on the valid rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contract.card import Decision, DecisionMetrics
from contract.config import DecisionName, TrainingConfig
from contract.decision_rule import MAX_CLASSES, DecisionRule
from contract.errors import InvalidConfig
from contract.faults import shorten, show
from contract.schema import Label, label_text

THRESHOLDS = frozenset({"f1", "balanced_accuracy"})
"""Decisions by a threshold that is chosen on rows left out."""
Costs = Mapping[str, Mapping[str, float]]
"""By the text of the true label, then by that of the label decided for."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Answers to rows by networks that were not fitted on them: `probabilities` float64 `(n_samples, n_classes)`, true
    class indices `y` int64 `(n_samples,)`.
    """

    probabilities: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, slots=True)
class ChosenRule:
    """A rule, by what it was chosen, and the threshold that it is made of, if it is."""

    rule: DecisionRule
    by: DecisionName
    threshold: float | None


def given_rule(config: TrainingConfig, labels: Sequence[Label]) -> DecisionRule | None:
    """The rule of the costs that a config gives; None where it gives none, or asks for a threshold.

    Raises:
        InvalidConfig: the costs are not those of these labels, or a threshold is asked for where there are not two.
    """
    if config.costs is not None:
        return DecisionRule(_matrix(config.costs, labels))
    if config.decision in THRESHOLDS and len(labels) != 2:
        raise InvalidConfig(f"decision {config.decision!r} needs two classes, got {len(labels)}: give costs instead")
    return None


def choose_rule(config: TrainingConfig, given: DecisionRule | None, left_out: LeftOut | None) -> ChosenRule | None:
    """The rule that is given, or that of the best threshold on the rows left out; None where there are neither."""
    if left_out:
        threshold = find_threshold(left_out, config.decision)
        return ChosenRule(DecisionRule.of_threshold(threshold), config.decision, threshold)
    return ChosenRule(given, config.decision, None) if given else None


def find_threshold(left_out: LeftOut, metric: DecisionName) -> float:
    """The threshold on the second label's probability that is best by one of `THRESHOLDS`; F1 is the rarer label's.

    Each that lies halfway between two neighbouring probabilities is tried, and 0.5; of equally good ones the nearest to
    0.5 is taken.
    """
    p, is_second = left_out.probabilities[:, 1], left_out.y == 1
    distinct, row_of = np.unique(p, return_inverse=True)
    thresholds = np.append((np.append(0.0, distinct) + np.append(distinct, 1.0)) / 2, 0.5)
    n_below = np.searchsorted(distinct, thresholds, side="right")
    first, second = (
        np.append(0, np.bincount(row_of[of_class], minlength=len(distinct)).cumsum())[n_below]
        for of_class in (~is_second, is_second)
    )  # of each label the rows at or below each threshold
    n_second = int(is_second.sum())
    n_true, n_right = np.array([len(p) - n_second, n_second]), np.stack([first, n_second - second])
    if metric == "f1":
        right = n_right[int(n_second <= len(p) / 2)]
        quality = 2 * right / np.maximum(2 * right + len(p) - n_right.sum(axis=0), 1)
    else:
        quality = (n_right / np.maximum(n_true, 1)[:, np.newaxis]).sum(axis=0)
    best = np.flatnonzero(quality == quality.max())
    return float(thresholds[best[np.argmin(np.abs(thresholds[best] - 0.5))]])


def report_decision(chosen: ChosenRule, probabilities: np.ndarray, y: np.ndarray) -> Decision:
    """What a rule changes on rows that had no part in choosing it.

    `probabilities` is float32 `(n_samples, n_classes)`, `y` int64 class indices `(n_samples,)`, at least one row.
    """
    rule = chosen.rule
    return Decision(
        chosen_by=chosen.by,
        costs=rule.costs,
        threshold=chosen.threshold,
        with_rule=_measure(rule, rule.decide(probabilities), y),
        without_rule=_measure(rule, probabilities.argmax(axis=1), y),
    )


def _measure(rule: DecisionRule, decided: np.ndarray, y: np.ndarray) -> DecisionMetrics:
    n_classes = len(rule.costs)
    right = np.bincount(y[decided == y], minlength=n_classes)
    n_true, n_decided = (np.bincount(indices, minlength=n_classes) for indices in (y, decided))
    present = n_true > 0
    return DecisionMetrics(
        accuracy=float((decided == y).mean()),
        balanced_accuracy=float((right[present] / n_true[present]).mean()),
        class_f1=tuple((2 * right / np.maximum(n_true + n_decided, 1)).tolist()),
        mean_cost=float(np.array(rule.costs)[y, decided].mean()),
    )


def _matrix(costs: Costs, labels: Sequence[Label]) -> tuple[tuple[float, ...], ...]:
    """By class indices. What is right costs nothing where nothing else is said.

    Raises:
        InvalidConfig: a label is none of these, or a mistake has no cost.
    """
    if len(labels) > MAX_CLASSES:
        raise InvalidConfig(f"costs must be of {MAX_CLASSES} classes at most, got a table with {len(labels)}")
    texts = [label_text(label) for label in labels]
    named = [*costs, *(decided for row in costs.values() for decided in row)]
    if unknown := [name for name in named if name not in texts]:
        raise InvalidConfig(
            f"costs must be of the labels of the table ({shorten(', '.join(map(show, texts)))}), got {show(unknown[0])}"
        )
    for true in texts:
        for decided in texts:
            if true != decided and decided not in costs.get(true, {}):
                raise InvalidConfig(
                    f"costs must say what each mistake costs, got none for deciding {show(decided)} where {show(true)} "
                    "is true"
                )
    return tuple(tuple(float(costs.get(true, {}).get(decided, 0)) for decided in texts) for true in texts)
