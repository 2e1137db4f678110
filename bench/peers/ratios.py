"""What the benchmark must show: ratios of medians within one run, each with its aim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.peers.figures import Figures, Point, Spread

ONE, MANY = Point(1, 1), Point(1, 32)
THOUSAND, BULK = Point(1_000, 1), Point(10_000, 1)
FASTAPI = ("FastAPI", "FastAPI, orjson answer")


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure, what it should be at least or at most, if anything, and what it is; None where it was not measured."""

    what: str
    value: float | None
    unit: str = "×"
    least: float | None = None
    most: float | None = None

    @property
    def aim(self) -> str:
        """The aim in words."""
        if self.least is not None:
            return f"≥ {self.least:g} {self.unit}"
        return f"≤ {self.most:g} {self.unit}" if self.most is not None else "listed"

    @property
    def verdict(self) -> str:
        """Whether the aim was reached; nothing where there is none, or no figure."""
        if self.value is None or self.aim == "listed":
            return ""
        reached = (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)
        return "yes" if reached else "NO"


def claims(figures: Figures, *, with_peers: bool) -> list[Claim]:
    """Every claim about litet, those about the peers if they took part."""

    def rate(other: str, least: float | None = None) -> Claim:
        value = ratio(figures.requests_per_s, "litet", other, MANY)
        return Claim(f"litet ÷ {other}: requests/s, 1 row, 32 connections", value, least=least)

    def cost(case: str, other: str, point: Point, most: float | None = None) -> Claim:
        """Time of a body; at one row the inverse of the requests/s, which the driver's own time is not part of."""
        if point == MANY:
            value = ratio(figures.requests_per_s, other, case, point)
        else:
            value = ratio(figures.p50_us, case, other, point)
        rows = f"{point.n_rows:,} row{'s' * (point.n_rows > 1)}"
        return Claim(f"{case} ÷ {other}: time, {rows}", value, most=most)

    def bulk(case: str, other: str, least: float | None) -> Claim:
        value = ratio(figures.p50_us, other, case, BULK)
        return Claim(f"{case} ÷ {other}: rows/s, 10,000 rows in a request", value, least=least)

    def rate_of(case: str, point: Point) -> float | None:
        return ratio(figures.requests_per_s, case, "litet", point)

    listed = [
        rate("echo", 0.65),
        rate("echo, litet's connection class"),
        Claim("litet ÷ echo: p50, 1 row, 1 connection", ratio(figures.p50_us, "litet", "echo", ONE), most=1.4),
    ]
    if with_peers:
        listed += [rate(peer, 4) for peer in FASTAPI]
        listed += [rate("MLServer", 15), rate("LitServe", 25), rate("BentoML", 30)]
        listed += [bulk("litet", peer, 4) for peer in FASTAPI]
        listed += [bulk("litet", peer, None) for peer in ("MLServer", "LitServe", "BentoML")]
    listed.append(bulk("litet, Arrow", "litet", 20))
    listed += [cost("litet, objects", "litet", point, 1.5) for point in (MANY, THOUSAND, BULK)]
    listed += [cost("litet, columns", "litet", point) for point in (MANY, THOUSAND, BULK)]
    listed += [cost("litet, mixed table", "litet, objects", point) for point in (MANY, THOUSAND)]
    listed += [
        Claim("litet, v2 ÷ litet: requests/s, 1 row, 32 connections", rate_of("litet, v2", MANY), least=0.8),
        Claim("litet, v1 ÷ litet: requests/s, 1 row, 32 connections", rate_of("litet, v1", MANY)),
        cost("litet, v2 binary", "litet, Arrow", BULK, 1.5),
        cost("litet by tritonclient", "litet by httpx and polars", BULK, 1.5),
    ]
    if with_peers:
        by_client = ("MLServer by tritonclient, JSON", "litet by tritonclient, JSON")
        listed += [cost(*by_client, point) for point in (ONE, BULK)]
        listed.append(cost("MLServer by tritonclient, JSON", "litet by tritonclient", BULK))
    workers = ratio(figures.requests_per_s, "litet, 2 workers", "litet", MANY)
    listed.append(Claim("litet, 2 workers ÷ litet: requests/s, the driver on the same 2 cores", workers))
    return [*listed, *_absolute(figures)]


def ratio(figure: Callable[[str, Point], Spread | None], case: str, other: str, point: Point) -> float | None:
    """One case's median over another's; None where either was not measured."""
    above, below = figure(case, point), figure(other, point)
    return above.median / below.median if above and below else None


def _absolute(figures: Figures) -> list[Claim]:
    starts = figures.starts.get("litet", [])
    seconds = Spread.of([start.seconds for start in starts]).median if starts else None
    megabytes = Spread.of([start.megabytes for start in starts]).median if starts else None
    return [
        Claim("litet: cold start to first answer, on one core", seconds, "s", most=0.7),
        Claim("litet: resident memory of a worker after 1,000 requests", megabytes, "MB", most=100),
    ]
