import json
from pathlib import Path

import pytest

from bench.peers.wrk import ERRORS, MARK, RunFailed, parse, script_for

COUNTERS = {"requests": 52_345, "duration_us": 1_001_234, "p50_us": 512, "p99_us": 1_234_567} | dict.fromkeys(ERRORS, 0)
TEXT = "Running 1s test @ http://127.0.0.1:1\n  Latency   7.62ms    1.29k\nRequests/sec:   9.59k\n"


def printed(**changed: int) -> str:
    return f"{TEXT}{MARK}{json.dumps(COUNTERS | changed)}\n"


def test_figures_are_wrks_own_counters_not_its_rounded_text() -> None:
    load = parse(printed())

    assert (load.n_requests, load.seconds, load.p50_us, load.p99_us) == (52_345, 1.001234, 512, 1_234_567)
    assert load.requests_per_s == pytest.approx(52_280.486, abs=0.001)


@pytest.mark.parametrize("counter", ERRORS)
def test_a_run_with_a_single_error_of_any_kind_gives_no_figure(counter: str) -> None:
    with pytest.raises(RunFailed, match=f"1 {ERRORS[counter]} of 52345 requests"):
        parse(printed(**{counter: 1}))


def test_a_run_without_an_answer_gives_no_figure() -> None:
    with pytest.raises(RunFailed, match="saw no answer"):
        parse(printed(requests=0))


def test_output_without_counters_gives_no_figure() -> None:
    with pytest.raises(RunFailed, match="must print its figures"):
        parse(TEXT)


def test_the_script_reads_the_body_from_its_file_and_sets_every_header() -> None:
    script = script_for(Path('/tmp/a "b"/body'), {"Content-Type": 'a/b; c="d"', "Accept": "a/b"})

    assert r'io.open("/tmp/a \"b\"/body", "rb")' in script
    assert r'wrk.headers["Content-Type"] = "a/b; c=\"d\""' in script
    assert 'wrk.headers["Accept"] = "a/b"' in script
