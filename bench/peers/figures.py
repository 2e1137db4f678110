"""What a benchmark run measured: every run of every case, and every reason why there is none."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from bench.peers.wrk import Load

EVERYWHERE = "all of it"
"""Where a server failed, rather than one point of a case."""


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured of a case: a body of so many rows, over so many connections."""

    n_rows: int
    connections: int


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a server: seconds to its first answer; MB resident after the requests, in so many processes."""

    seconds: float
    megabytes: float
    n_processes: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of repeated runs, and the ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(slots=True)
class Figures:
    """Runs by case and point; starts by server. A case with a failure has no figure at that point, ever."""

    loads: dict[tuple[str, Point], list[Load]] = field(default_factory=dict)
    starts: dict[str, list[Start]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, case: str, point: Point, load: Load) -> None:
        """Keep a run."""
        self.loads.setdefault((case, point), []).append(load)

    def fail(self, case: str, where: str, reason: str) -> None:
        """Keep the first reason why a case, or one point of it, has no figure."""
        self.failures.setdefault(case, {}).setdefault(where, reason)

    def requests_per_s(self, case: str, point: Point) -> Spread | None:
        """Answers a second; None where there is no figure."""
        return self._spread(case, point, [load.requests_per_s for load in self.loads.get((case, point), ())])

    def p50_us(self, case: str, point: Point) -> Spread | None:
        """Microseconds in which half of the requests were answered; None where there is no figure."""
        return self._spread(case, point, [load.p50_us for load in self.loads.get((case, point), ())])

    def p99_us(self, case: str, point: Point) -> Spread | None:
        """Microseconds in which 99 % of the requests were answered; None where there is no figure."""
        return self._spread(case, point, [load.p99_us for load in self.loads.get((case, point), ())])

    def has_failed(self, case: str, point: Point) -> bool:
        """Whether there is no figure, because a run failed."""
        reasons = self.failures.get(case, {})
        return EVERYWHERE in reasons or where(point) in reasons

    def _spread(self, case: str, point: Point, values: Sequence[float]) -> Spread | None:
        return Spread.of(values) if values and not self.has_failed(case, point) else None

    def to_builtins(self) -> dict[str, object]:
        """Everything, for a JSON file."""
        loads = [
            {"case": case, **asdict(point), "runs": [asdict(load) for load in runs]}
            for (case, point), runs in self.loads.items()
        ]
        starts = {server: [asdict(start) for start in starts] for server, starts in self.starts.items()}
        return {"loads": loads, "starts": starts, "failures": self.failures}


def where(point: Point) -> str:
    """A point in words."""
    return (
        f"{point.n_rows:,} row{'s' * (point.n_rows > 1)}, {point.connections} connection{'s' * (point.connections > 1)}"
    )
