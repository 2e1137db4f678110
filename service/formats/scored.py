"""What every format writes: the answers to a body's rows."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Protocol

import msgspec
import numpy as np

from contract.errors import Fault
from service.answers import Answers
from service.predictor import Predictor


class Scored(msgspec.Struct, frozen=True):
    """Answers in the order of the rows, and the version that gave them.

    `unseen` names, by position among the answers, features whose value the model never met. `faults` are, by number in
    the body, the rows that were not answered; None where all had to be.
    """

    predictor: Predictor
    answers: Answers
    unseen: Mapping[int, list[str]]
    faults: Mapping[int, Fault] | None

    @property
    def n_answers(self) -> int:
        return len(self.answers.class_index)

    @property
    def n_rows(self) -> int:
        return self.n_answers + len(self.faults or ())

    def answered(self) -> np.ndarray:
        """Which row of the body each answer is for: int64 `(n_answers,)`, ascending."""
        return np.delete(np.arange(self.n_rows), list(self.faults or ()))


class Write(Protocol):
    """How a format is written."""

    def __call__(self, scored: Scored, outputs: Set[str]) -> bytes:
        """The bytes of the answers, of which only `outputs` are written; what was unseen or at fault always is."""
