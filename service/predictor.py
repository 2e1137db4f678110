"""One loaded version: tensors in, answers out. Proven against its card before it serves, and never changed after."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from contract.card import Probe
from contract.conformal import Conformal
from contract.decision_rule import DecisionRule
from contract.errors import CorruptArtifact, Fault, ParityError
from contract.faults import MAX_FAULTS
from contract.model_file import CLASS_INDEX, LOGITS, OUTPUTS, PROBABILITIES
from contract.repository import Artifact
from contract.schema import Schema
from contract.tensors import RowReader, Tensors
from service.answers import Answers
from service.errors import NoPredictionSets, NotFinite
from service.invariance import least_rows
from service.session import open_session

SLACK = 10
"""How far a probe's logits may be off, in units of the tolerance that the model was published under.

That tolerance held on the training machine. Another processor adds up the same products in another order, which costs
some units of 6e-8 for each of some hundred terms; a wrong weight, operator or column costs thousands of times as much.
"""
INVARIANT_TOLERANCE = 1e-5
"""For softmax(logits) against probabilities: both are float32 sums over a few classes."""
WARM_UP_ROWS = 64
MAX_BATCH_ROWS = 4_096
"""More rows go through the network in parts: what lies between its layers then stays in the processor's cache, which
halves the time of ten thousand rows and a hidden layer of 128."""


class Predictor:
    """A version that answers as its card says. Any number of threads may share it.

    Raises:
        CorruptArtifact: the graph cannot be loaded, has other inputs or outputs than its schema demands, breaks the
            model file's invariants, or carries calibration rows or a decision rule that are none.
        ParityError: it does not give the logits of its card's probe.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.card = artifact.card
        self.name = artifact.card.name
        self.version = artifact.card.version
        self._session, self.schema = open_session(artifact.model)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._conformal = Conformal.from_metadata(metadata, len(self.schema.labels))
        self.rule = DecisionRule.from_metadata(metadata, len(self.schema.labels))
        """What a decision follows; None where the version makes none."""
        self.has_texts = bool(self.schema.categorical)
        self.width = len(self.schema.features) + len(self.schema.labels)
        self.reader = RowReader(self.schema)
        self.prepared: dict[Hashable, Any] = {}
        """What others prepare for this version once, and find here again; it is gone with the predictor."""
        self._warm_up()
        self._least_rows = least_rows(self._try, self.schema, MAX_BATCH_ROWS)

    @property
    def is_batch_invariant(self) -> bool:
        """Whether a row has the same answer, to the last bit, whatever other rows are answered with it."""
        return self._least_rows is not None

    def predict(self, tensors: Tensors) -> Answers:
        """The answers for one row or more.

        Raises:
            NotFinite: a row whose values are so large that float32 cannot hold its logits.
        """
        answers = self.run(tensors)
        if not answers.are_finite():
            raise _not_finite(answers)
        return answers

    def run(self, tensors: Tensors) -> Answers:
        """The answers for any number of rows, finite or not."""
        if tensors.n_samples <= MAX_BATCH_ROWS:
            return self._run_batch(tensors)
        starts = range(0, tensors.n_samples, MAX_BATCH_ROWS)
        batches = [self._run_batch(tensors.between(start, start + MAX_BATCH_ROWS)) for start in starts]
        return Answers(*map(np.concatenate, zip(*batches, strict=True)))

    def prediction_sets(self, answers: Answers, level: float, *, per_class: bool) -> np.ndarray:
        """The labels in each row's prediction set: bool `(n_samples, n_classes)` (`contract.conformal.Conformal.sets`).

        Raises:
            NoPredictionSets: the version has no rows to calibrate them by.
        """
        if self._conformal is None:
            raise NoPredictionSets(
                "a prediction set needs a version that was trained with a conformal_fraction above 0, got "
                f"{self.name}/{self.version} without calibration rows"
            )
        return self._conformal.sets(answers.probabilities, level, per_class=per_class)

    def _run_batch(self, tensors: Tensors) -> Answers:
        if tensors.n_samples == 1 and self._least_rows == 2:
            return self._run(tensors.take(np.array([0, 0]))).between(0, 1)
        return self._run(tensors)

    def _run(self, tensors: Tensors) -> Answers:
        return Answers(*self._session.run(OUTPUTS, tensors.feed()))

    def _try(self, tensors: Tensors) -> Answers:
        try:
            return self._run(tensors)
        except Exception as error:  # onnxruntime's exceptions have no base of their own
            raise CorruptArtifact(f"a model must answer the rows of its probe and of its ranges: {error}") from error

    def _warm_up(self) -> None:
        """Run the first batches, which pay for lazy set-up, and compare what they answer."""
        probe = self.card.report.probe
        tensors = _tensors(probe, self.schema)
        expected = np.array(probe.logits, np.float64)
        tolerance = SLACK * self.card.report.parity.tolerance
        for rows in (np.arange(1), np.arange(tensors.n_samples), np.arange(WARM_UP_ROWS) % tensors.n_samples):
            answers = self._try(tensors.take(rows))
            if not answers.are_finite():
                raise CorruptArtifact("a model must answer the rows of its probe with finite numbers")
            _check_invariants(answers, len(rows), len(self.schema.labels))
            _check_parity(answers.logits, expected[rows], tolerance)


def _tensors(probe: Probe, schema: Schema) -> Tensors:
    n_samples = len(probe.logits)
    if not n_samples or {len(logits) for logits in probe.logits} != {len(schema.labels)}:
        raise CorruptArtifact(f"a card's probe must hold rows with {len(schema.labels)} logits each")
    try:
        return Tensors(
            np.array(probe.x_num, np.float32).reshape(n_samples, len(schema.numeric)),
            np.array(probe.x_cat, object).reshape(n_samples, len(schema.categorical)),
            {},
        )
    except ValueError:
        raise CorruptArtifact("a card's probe must hold rows of its model's features") from None


def _check_parity(logits: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    scale = np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
    error = float((np.abs(logits - expected) / scale).max())
    if not error <= tolerance:
        raise ParityError(f"a model must give its card's logits within {tolerance:.1g}, got {error:.3g} off")


def _check_invariants(answers: Answers, n_samples: int, n_classes: int) -> None:
    shapes = tuple(array.shape for array in answers)
    if shapes != ((n_samples, n_classes), (n_samples, n_classes), (n_samples,)):
        raise CorruptArtifact(f"a model must answer {n_samples} rows with {n_classes} classes, got shapes {shapes}")
    exponentials = np.exp(answers.logits - answers.logits.max(axis=1, keepdims=True))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    if not np.allclose(answers.probabilities, softmax, rtol=0, atol=INVARIANT_TOLERANCE):
        raise CorruptArtifact(f"{PROBABILITIES} must be the softmax of {LOGITS}")
    if not np.array_equal(answers.class_index, answers.logits.argmax(axis=1)):
        raise CorruptArtifact(f"{CLASS_INDEX} must be the argmax of {LOGITS}")


def _not_finite(answers: Answers) -> NotFinite:
    rows = np.flatnonzero(~answers.finite_rows())
    return NotFinite(list(map(too_large, rows[:MAX_FAULTS].tolist())), len(rows))


def too_large(row: int) -> Fault:
    """What is wrong with a row whose answer is not finite."""
    return Fault(row=row, expected="values that the model can answer with finite logits", got="values too large")
