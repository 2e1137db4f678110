"""What every format writes: the answers to a body's rows."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Protocol

import msgspec
import numpy as np

from contract.errors import Fault
from service.answers import Answers
from service.formats.number_text import number_rows
from service.formats.outputs import DECISION
from service.predictor import Predictor


class Run:
    """What a model answered in one run, to the rows of one request or of several.

    Its numbers as texts are made when the first request needs them, for all of them at once.
    """

    __slots__ = ("_classes", "_numbers", "answers")

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._classes: list[int] | None = None
        self._numbers: dict[str, list[bytes]] = {}

    def classes(self) -> list[int]:
        """Each row's `class_index`."""
        if self._classes is None:
            self._classes = self.answers.class_index.tolist()
        return self._classes

    def numbers(self, name: str) -> list[bytes]:
        """Each row's `logits` or `probabilities`, with commas between them."""
        numbers = self._numbers.get(name)
        if numbers is None:
            numbers = self._numbers[name] = number_rows(getattr(self.answers, name))
        return numbers


class Scored(msgspec.Struct, frozen=True):
    """Answers in the order of the rows, and the version that gave them: those from `start` on, up to `end`, of a run.

    `unseen` names, by position among the answers, features whose value the model never met. `faults` are, by number in
    the body, the rows that were not answered; None where all had to be. `sets` are the prediction sets of the answers,
    bool `(n_answers, n_classes)`; None where none were asked for.
    """

    predictor: Predictor
    run: Run
    start: int
    end: int
    unseen: Mapping[int, list[str]]
    faults: Mapping[int, Fault] | None
    sets: np.ndarray | None = None

    @classmethod
    def alone(
        cls,
        predictor: Predictor,
        answers: Answers,
        unseen: Mapping[int, list[str]],
        faults: Mapping[int, Fault] | None,
    ) -> Scored:
        """Answers that are all of a run."""
        return cls(predictor, Run(answers), 0, len(answers.class_index), unseen, faults)

    @property
    def answers(self) -> Answers:
        """The answers as arrays."""
        return self.run.answers.between(self.start, self.end)

    def decided(self, outputs: Set[str]) -> np.ndarray | None:
        """The class index that each answer is decided for, int64 `(n_answers,)`; None where that is not to be written,
        or the version has no rule.
        """
        if DECISION not in outputs or self.predictor.rule is None:
            return None
        return self.predictor.rule.decide(self.answers.probabilities)

    @property
    def n_answers(self) -> int:
        return self.end - self.start

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
