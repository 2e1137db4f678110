"""One loaded version: tensors in, answers out. Proven against its card before it serves, and never changed after."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contract.card import Probe
from contract.errors import CorruptArtifact, Fault, ParityError
from contract.faults import MAX_FAULTS
from contract.model_file import CLASS_INDEX, LOGITS, OUTPUTS, PROBABILITIES
from contract.repository import Artifact
from contract.schema import Schema
from contract.tensors import RowReader, Tensors
from service.errors import NotFinite
from service.session import open_session

SLACK = 10
"""How far a probe's logits may be off, in units of the tolerance that the model was published under.

That tolerance held on the training machine. Another processor adds up the same products in another order, which costs
some units of 6e-8 for each of some hundred terms; a wrong weight, operator or column costs thousands of times as much.
"""
INVARIANT_TOLERANCE = 1e-5
"""For softmax(logits) against probabilities: both are float32 sums over a few classes."""
WARM_UP_ROWS = 64


class Answers(NamedTuple):
    """`logits` and `probabilities` float32 `(n_samples, n_classes)`, `class_index` int64 `(n_samples,)`; all finite."""

    logits: np.ndarray
    probabilities: np.ndarray
    class_index: np.ndarray


class Predictor:
    """A version that answers as its card says. Any number of threads may share it.

    Raises:
        CorruptArtifact: the graph cannot be loaded, has other inputs or outputs than its schema demands, or breaks the
            model file's invariants.
        ParityError: it does not give the logits of its card's probe.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.card = artifact.card
        self.name = artifact.card.name
        self.version = artifact.card.version
        self._session, self.schema = open_session(artifact.model)
        self.reader = RowReader(self.schema)
        self._warm_up()

    def predict(self, tensors: Tensors) -> Answers:
        """The answers for one row or more.

        Raises:
            NotFinite: a row whose values are so large that float32 cannot hold its logits.
        """
        answers = Answers(*self._session.run(OUTPUTS, tensors.feed()))
        if not (np.isfinite(answers.logits).all() and np.isfinite(answers.probabilities).all()):
            raise _not_finite(answers)
        return answers

    def _warm_up(self) -> None:
        """Run the first batches, which pay for lazy set-up, and compare what they answer."""
        probe = self.card.report.probe
        tensors = _tensors(probe, self.schema)
        expected = np.array(probe.logits, np.float64)
        tolerance = SLACK * self.card.report.parity.tolerance
        for rows in (np.arange(1), np.arange(tensors.n_samples), np.arange(WARM_UP_ROWS) % tensors.n_samples):
            answers = self._try(Tensors(tensors.x_num[rows], tensors.x_cat[rows], {}))
            _check_invariants(answers, len(rows), len(self.schema.labels))
            _check_parity(answers.logits, expected[rows], tolerance)

    def _try(self, tensors: Tensors) -> Answers:
        try:
            return self.predict(tensors)
        except Exception as error:  # onnxruntime's exceptions have no base of their own
            raise CorruptArtifact(f"a model must answer the rows of its probe: {error}") from error


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
    finite = np.isfinite(answers.logits).all(axis=1) & np.isfinite(answers.probabilities).all(axis=1)
    rows = np.flatnonzero(~finite)
    return NotFinite(
        [
            Fault(row=row, expected="values that the model can answer with finite logits", got="values too large")
            for row in rows[:MAX_FAULTS].tolist()
        ],
        len(rows),
    )
