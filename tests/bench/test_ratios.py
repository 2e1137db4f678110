import pytest

from bench.peers.figures import EVERYWHERE, Figures, Point, Start, where
from bench.peers.ratios import MANY, Claim, claims, ratio
from bench.peers.wrk import Load


def measured(**rates: list[int]) -> Figures:
    figures = Figures()
    for case, values in rates.items():
        for value in values:
            figures.add(case, MANY, Load(n_requests=value, seconds=1.0, p50_us=1e6 / value, p99_us=1e7 / value))
    return figures


def claim_of(figures: Figures, what: str) -> Claim:
    return next(claim for claim in claims(figures, with_peers=True) if claim.what.startswith(what))


def test_a_ratio_is_that_of_the_medians() -> None:
    figures = measured(litet=[10, 600, 900], echo=[1_000, 1_200, 9_000])

    assert ratio(figures.requests_per_s, "litet", "echo", MANY) == 0.5


def test_a_case_that_failed_once_at_a_point_has_no_ratio_there() -> None:
    figures = measured(litet=[600], echo=[1_000])
    figures.fail("echo", where(MANY), "wrk saw 1 timeouts")

    assert ratio(figures.requests_per_s, "litet", "echo", MANY) is None


def test_a_failure_at_another_point_leaves_the_ratio() -> None:
    figures = measured(litet=[600], echo=[1_000])
    figures.fail("echo", where(Point(1, 1)), "wrk saw 1 timeouts")

    assert ratio(figures.requests_per_s, "litet", "echo", MANY) == 0.6


def test_a_server_that_failed_has_no_ratio_anywhere() -> None:
    figures = measured(litet=[600], echo=[1_000])
    figures.fail("litet", EVERYWHERE, "ended with 3")

    assert ratio(figures.requests_per_s, "litet", "echo", MANY) is None


@pytest.mark.parametrize(("rate", "verdict"), [(650, "yes"), (649, "NO")])
def test_an_aim_is_reached_at_its_bound(rate: int, verdict: str) -> None:
    claim = claim_of(measured(litet=[rate], echo=[1_000]), "litet ÷ echo: requests/s")

    assert (claim.aim, claim.verdict) == ("≥ 0.65 ×", verdict)


def test_cold_start_and_memory_are_held_against_most() -> None:
    figures = Figures(starts={"litet": [Start(0.5, 120.0, 1), Start(0.9, 99.0, 1), Start(0.6, 98.0, 1)]})

    assert [claim_of(figures, what).verdict for what in ("litet: cold start", "litet: resident memory")] == ["yes"] * 2
    figures.starts["litet"] = [Start(0.71, 101.0, 1)]
    assert [claim_of(figures, what).verdict for what in ("litet: cold start", "litet: resident memory")] == ["NO"] * 2


def test_what_was_not_measured_gets_no_verdict() -> None:
    assert {claim.verdict for claim in claims(Figures(), with_peers=True)} == {""}


def test_peers_are_claimed_about_only_where_they_take_part() -> None:
    named = [claim.what for claim in claims(Figures(), with_peers=False)]

    assert not [what for what in named if any(peer in what for peer in ("FastAPI", "MLServer", "LitServe", "BentoML"))]
