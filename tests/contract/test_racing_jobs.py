"""Processes that publish as jobs at the same time: nobody slips in between what one looked at and what it did."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from contract.card import Origin, Report
from contract.publishing import Publisher
from tests.contract.origins import origin


@pytest.fixture
def workers(
    start_writer: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> Iterator[Callable[..., list[int | None]]]:
    """Has a process for each origin publish it, all at once; `meanwhile` runs beside them, once `after` of them said
    what became of theirs. A process answers with its version, or None where it was superseded.
    """
    with ExitStack() as cleanup:
        processes = [cleanup.enter_context(start_writer("jobs", tmp_path / "models")) for _ in range(3)]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"

        def publish_at_once(told: list[Origin], meanwhile: Callable[[], object], after: int) -> list[int | None]:
            answers = []
            for process, order in zip(processes, told, strict=True):
                assert process.stdin
                process.stdin.write(msgspec.json.encode(order).decode() + "\n")
                process.stdin.flush()
            for turn, process in enumerate(processes):
                if turn == after:
                    meanwhile()
                assert process.stdout
                answers.append(json.loads(process.stdout.readline()))
            return answers

        yield publish_at_once
        for process in processes:
            process.communicate(timeout=60)


def test_a_job_publishes_before_the_fence_is_raised_or_not_at_all(
    publisher: Publisher, workers: Callable[..., list[int | None]]
) -> None:
    """Three processes publish as one job, while the fence is raised to the next one's number."""
    publisher.raise_fence("iris", 1)
    counts = [0]
    for fence in range(1, 25):
        seen: list[int] = []

        def overtake(seen: list[int] = seen, fence: int = fence) -> None:
            publisher.raise_fence("iris", fence + 1)
            seen += publisher.versions("iris")

        told = workers([origin(fence, passed=False)] * 3, overtake, after=fence % 3)
        new = sorted(version for version in told if version is not None)
        assert publisher.versions("iris") == seen
        assert seen[counts[-1] :] == new
        counts.append(len(seen))
    for fence, (first, end) in enumerate(pairwise(counts), start=1):
        for version in publisher.versions("iris")[first:end]:
            card = publisher.read("iris", version).card
            assert card.origin
            assert card.origin.fence == fence


def test_of_jobs_that_saw_the_same_version_serve_one_is_promoted(
    publisher: Publisher, workers: Callable[..., list[int | None]], report: Report
) -> None:
    publisher.publish("iris", b"by hand", report)
    publisher.raise_fence("iris", 7)
    pointer = publisher.promote("iris", 1)
    for _ in range(8):
        told = workers([origin(7, pointer.sequence)] * 3, lambda: None, after=0)
        (version,) = (version for version in told if version is not None)
        now = publisher.current("iris")
        assert (now.version, now.sequence) == (version, pointer.sequence + 1)
        assert publisher.card("iris", version).parent_version == pointer.version
        pointer = now
    assert publisher.versions("iris") == list(range(1, 10))
