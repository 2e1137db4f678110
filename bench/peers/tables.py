"""The figures as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.peers.figures import Figures, Point, Spread
from bench.peers.ratios import Claim

SIZES = (1, 10, 100, 1_000, 10_000)
BY_CONNECTIONS = (Point(1, 32), Point(1, 1))
NOTHING = "-"


def print_single_rows(figures: Figures, cases: Sequence[str]) -> None:
    """Requests/s and latencies of one row, at 32 connections and at one."""
    print("\n1 row in a request; median (least to most) over the rounds")
    print(f"{'':<30}{'requests/s':>26}{'p50 µs':>8}{'p99 µs':>8}  |{'requests/s':>26}{'p50 µs':>8}{'p99 µs':>8}")
    print(f"{'':<30}{'32 connections':>42}  |{'1 connection':>42}")
    for case in cases:
        halves = []
        for point in BY_CONNECTIONS:
            rate, p50, p99 = (read(case, point) for read in (figures.requests_per_s, figures.p50_us, figures.p99_us))
            halves.append(f"{_spread(rate):>26}{_median(p50):>8}{_median(p99):>8}")
        print(f"{case:<30}{'  |'.join(halves)}")


def print_per_row(figures: Figures, cases: Sequence[str]) -> None:
    """Microseconds a row, by the number of rows in a body."""
    print("\nµs per row: the p50 of a request at 1 connection ÷ its rows; median (least to most) over the rounds")
    print(f"{'':<30}" + "".join(f"{f'{size:,}':>26}" for size in SIZES))
    for case in cases:
        spreads = [_per_row(figures, case, size) for size in SIZES]
        if any(spreads[1:]):
            print(f"{case:<30}" + "".join(f"{_spread(spread):>26}" for spread in spreads))


def print_starts(figures: Figures, notes: Mapping[str, str]) -> None:
    """Cold start and memory of each server, and its note."""
    print("\nstart to first answer on one core, s; MB resident after 1,000 requests, summed over a server's processes")
    for server, starts in figures.starts.items():
        seconds = Spread.of([start.seconds for start in starts])
        megabytes = Spread.of([start.megabytes for start in starts])
        processes = max(start.n_processes for start in starts)
        counted = f"{processes:>4} process{'es' * (processes > 1)}"
        print(f"{server:<30}{_spread(seconds):>26}{_spread(megabytes):>26}{counted:<16}{notes[server]}".rstrip())


def print_claims(claims: Iterable[Claim]) -> None:
    """Aims and what was reached."""
    print(f"\n{'ratios of medians within this run':<74}{'reached':>12}{'aim':>12}")
    for claim in claims:
        value = NOTHING if claim.value is None else f"{claim.value:.2f} {claim.unit}"
        print(f"{claim.what:<74}{value:>12}{claim.aim:>12}  {claim.verdict}")


def print_failures(figures: Figures) -> None:
    """What has no figure, and why."""
    if figures.failures:
        print("\nno figure for")
    for case, reasons in figures.failures.items():
        for reason in dict.fromkeys(reasons.values()):
            points = [point for point, why in reasons.items() if why == reason]
            print(f"  {case} ({'; '.join(points)}): {reason}")


def _per_row(figures: Figures, case: str, size: int) -> Spread | None:
    whole = figures.p50_us(case, Point(size, 1))
    return whole and Spread(whole.median / size, whole.least / size, whole.most / size)


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    return f"{_number(spread.median)} ({_number(spread.least)} to {_number(spread.most)})"


def _median(spread: Spread | None) -> str:
    return NOTHING if spread is None else _number(spread.median)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
