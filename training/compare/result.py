"""What a comparison found, as `litet compare --json` prints it."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["better", "worse", "unclear"]


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One model on the test rows. `us_per_row` is the median time of answering one row, in microseconds.

    The size of the net is that of its model file; that of a peer what it takes pickled.
    """

    name: str
    accuracy: float
    balanced_accuracy: float
    log_loss: float
    ece: float
    fit_seconds: float
    size_bytes: int
    us_per_row: float


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How much higher the net's log loss is than that of the best peer, and the 95 % interval of a paired bootstrap.

    The verdict is `better` or `worse` where the interval does not hold 0.
    """

    peer: str
    log_loss: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What the net is, beside the best peer."""
        if self.low > 0:
            return "worse"
        return "better" if self.high < 0 else "unclear"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A model beside its peers, the net first.

    `why_anew` is None where the published version itself was tested, on the rows that its card's metrics are of.
    Otherwise a network was fitted anew with the version's features and options, and it says why.
    """

    name: str
    version: int
    source: str
    target: str
    why_anew: str | None
    n_train: int
    n_test: int
    contenders: tuple[Contender, ...]
    difference: Difference
    verdict: Verdict
