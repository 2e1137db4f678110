"""Every error that litet raises on purpose.

LitetError
├── CallerError            what was asked for cannot be done as asked: exit code 2, or a 4xx
│   ├── InvalidName
│   ├── InvalidRows        rows that do not fit the model, fault by fault
│   ├── InvalidData        a table that cannot be read or trained on
│   ├── InvalidConfig      a training option out of its range
│   ├── InvalidSettings    a setting of the process out of its range
│   ├── NotFound           no such model, version or earlier version
│   ├── Superseded         what was decided on has changed meanwhile
│   ├── MissingExtra       the command needs packages that are not installed
│   └── TrainingDiverged   the loss grew without bound
└── ArtifactError          a model that must not be served or published
    ├── CorruptArtifact    a file is not what its card or its pointer says
    └── ParityError        two engines disagree about one model

Messages state the rule, then the value that broke it. InvalidRows, InvalidData and InvalidConfig are ValueErrors, too,
which is what scikit-learn and its users expect of an estimator.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class LitetError(Exception):
    """Base of the tree."""


class CallerError(LitetError):
    """The caller can mend this one."""


class InvalidName(CallerError):
    """A model name outside `^[a-z0-9][a-z0-9_-]{0,63}$`."""


class InvalidData(CallerError, ValueError):
    """A table that cannot be read, or that nothing can be learnt from."""


class InvalidConfig(CallerError, ValueError):
    """A training option outside its range."""


class InvalidSettings(CallerError):
    """A setting of the serving process outside its range."""


class NotFound(CallerError):
    """A model or version that the repository does not hold."""


class Superseded(CallerError):
    """Somebody else was faster: the run was called off, or another version serves than the one decided on."""


class MissingExtra(CallerError):
    """Packages of an optional extra are not installed."""


class TrainingDiverged(CallerError):
    """The training loss grew without bound; the message says what to try."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong with one row.

    `row` counts from 0. `feature` is absent where the row as a whole is at fault. `got` is shortened.
    """

    row: int
    feature: str | None = None
    expected: str
    got: str


class InvalidRows(CallerError, ValueError):
    """Rows that do not fit the model.

    `faults` holds the first of them in row order; `n_faults` counts them all.
    """

    def __init__(self, faults: Sequence[Fault], n_faults: int) -> None:
        self.faults = tuple(faults)
        self.n_faults = n_faults
        first = self.faults[0]
        where = f"row {first.row}" + (f", feature {first.feature!r}" if first.feature is not None else "")
        more = f" (and {n_faults - 1} more)" if n_faults > 1 else ""
        super().__init__(f"{where}: expected {first.expected}, got {first.got}{more}")

    def __reduce__(self) -> tuple[type[InvalidRows], tuple[tuple[Fault, ...], int]]:
        return type(self), (self.faults, self.n_faults)


class ArtifactError(LitetError):
    """A model that must not be served or published."""


class CorruptArtifact(ArtifactError):
    """A file does not match its card, its pointer or the format."""


class ParityError(ArtifactError):
    """The exported graph does not compute what the trained network computes."""
