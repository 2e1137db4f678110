"""A writer that is killed, or whose disk fails, leaves the old state or the new one, and the next writer works."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count, groupby
from pathlib import Path

import pytest

from contract.card import Report
from contract.model_file import MODEL_FILE
from contract.publishing import FENCE_FILE, Publisher
from contract.repository import POINTER_FILE, Pointer, Repository
from tests.contract.steps import watch
from tests.contract.writer_process import HELD_FENCE, OPERATIONS

State = tuple[dict[int, bytes], Pointer | None, str | None]


def state(root: Path) -> State:
    """What readers see, every byte of it verified: the models of all versions, and which one serves; and the fence."""
    repository = Repository(root)
    fence = root / "iris" / FENCE_FILE
    models = {version: repository.read("iris", version).model for version in repository.versions("iris")}
    pointer = repository.read_current("iris")[0] if repository.names() else None
    return models, pointer, fence.read_text() if fence.exists() else None


NOTHING, PUBLISHED, ALL = range(3)


def progress(operation: str, before: State, after: State) -> int:
    """How much of an operation was done. Only a job's version is published, then promoted."""
    if after == before:
        return NOTHING
    return PUBLISHED if operation == "publish_job" and after[1:] == before[1:] else ALL


def leftovers(root: Path) -> set[Path]:
    return set(root.glob("*/.staging-*"))


def nothing_yet(_publisher: Publisher, _report: Report) -> None:
    """No folder at all."""


def never_promoted(publisher: Publisher, report: Report) -> None:
    for content in (b"one", b"two"):
        publisher.publish("iris", content, report)
    publisher.raise_fence("iris", HELD_FENCE)


def serving_1(publisher: Publisher, report: Report) -> None:
    never_promoted(publisher, report)
    publisher.promote("iris", 1)


def serving_2_with_leftovers(publisher: Publisher, report: Report) -> None:
    serving_1(publisher, report)
    publisher.promote("iris", 2)
    for name in (".staging-dead", ".staging-empty"):
        (publisher.root / "iris" / name).mkdir()
    (publisher.root / "iris" / ".staging-dead" / MODEL_FILE).write_bytes(b"half a mod")


CASES = [
    ("publish", nothing_yet),
    ("publish", serving_1),
    ("publish", serving_2_with_leftovers),
    ("publish_job", never_promoted),
    ("publish_job", serving_2_with_leftovers),
    ("raise_fence", nothing_yet),
    ("raise_fence", serving_2_with_leftovers),
    ("promote", never_promoted),
    ("promote", serving_1),
    ("roll_back", serving_2_with_leftovers),
]


@pytest.mark.parametrize(("operation", "prepare"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_writer_killed_at_any_step_leaves_the_old_state_or_the_new_one(
    start_writer: Callable[..., subprocess.Popen[str]],
    publisher: Publisher,
    report: Report,
    operation: str,
    prepare: Callable[[Publisher, Report], None],
) -> None:
    prepare(publisher, report)
    before = state(publisher.root)
    with start_writer("kill", publisher.root, operation) as writer:
        assert writer.wait(timeout=60) == 0
    *killed, completed = sorted(publisher.root.parent.glob("models-*"))
    after = state(completed)
    assert after != before
    assert not leftovers(completed)
    assert len(killed) > 20
    states = [state(root) for root in killed]
    between = [(after[0], *before[1:])] if operation == "publish_job" else []  # published, not promoted
    assert [found for found, _ in groupby(states)] == [before, *between, after]
    assert any(leftovers(root) for root in killed)
    for root, found in zip(killed, states, strict=True):
        assert_the_next_writer_works(root, found, report)


def assert_the_next_writer_works(root: Path, found: State, report: Report) -> None:
    models, pointer, fence = found
    publisher = Publisher(root)
    card = publisher.publish("iris", b"next", report)
    assert card.version > max(models, default=0)
    models |= {card.version: b"next"}
    assert state(root) == (models, pointer, fence)
    assert not leftovers(root)
    promoted = publisher.promote("iris", card.version)
    assert promoted.sequence == (pointer.sequence if pointer else 0) + 1
    assert state(root) == (models, promoted, fence)
    publisher.raise_fence("iris", HELD_FENCE + 2)
    assert state(root) == (models, promoted, str(HELD_FENCE + 2))
    shown = {entry.name for entry in (root / "iris").iterdir() if not entry.name.startswith(".")}
    assert shown == {*map(str, models), POINTER_FILE}


def test_the_staging_folder_of_a_living_writer_is_left_alone(
    start_writer: Callable[..., subprocess.Popen[str]], publisher: Publisher, report: Report
) -> None:
    publisher.publish("iris", b"first", report)
    dead = publisher.root / "iris" / ".staging-dead"
    dead.mkdir()
    with start_writer("hold", publisher.root) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        assert publisher.publish("iris", b"second", report).version == 2
        publisher.promote("iris", 2)
        publisher.promote("iris", 1)
        publisher.roll_back("iris")
        (living,) = leftovers(publisher.root)
        assert (living / MODEL_FILE).read_bytes() == b"held"
        assert publisher.versions("iris") == [1, 2]
        told, _ = writer.communicate("go\n", timeout=60)
    assert told == "3\n"
    assert publisher.read("iris", 3).model == b"held"
    assert not leftovers(publisher.root)


def test_the_staging_folder_of_a_killed_writer_is_collected(
    start_writer: Callable[..., subprocess.Popen[str]], publisher: Publisher, report: Report
) -> None:
    with start_writer("hold", publisher.root) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        writer.kill()
        writer.wait(timeout=60)
    assert len(leftovers(publisher.root)) == 1
    publisher.publish("iris", b"model", report)
    assert not leftovers(publisher.root)


class Disk:
    """Notes the steps that can fail, and fails one of them."""

    STEPS = ("mkdir", "write", "fsync", "rename", "replace", "open")

    def __init__(self, fail_at: int, code: int) -> None:
        self.fail_at = fail_at
        self.code = code
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        if name in self.STEPS:
            self.steps.append(name)
            if len(self.steps) == self.fail_at:
                raise OSError(self.code, os.strerror(self.code))


def failures(
    operation: str, prepare: Callable[[Publisher, Report], None], folder: Path, report: Report, code: int
) -> Iterator[tuple[Publisher, State, set[Path], list[str], OSError | None]]:
    """For each step of an operation a repository in which it failed: the state and the leftovers before that, the steps
    up to the failed one, and what was raised.
    """
    for fail_at in count(1):
        publisher = Publisher(folder / str(fail_at) / "models")
        publisher.root.parent.mkdir()
        prepare(publisher, report)
        before, left = state(publisher.root), leftovers(publisher.root)
        disk = Disk(fail_at, code)
        error = None
        with pytest.MonkeyPatch.context() as patch:
            watch(disk.step, patch.setattr)
            try:
                OPERATIONS[operation](publisher, report)
            except OSError as caught:
                error = caught
        if len(disk.steps) < fail_at:
            return
        yield publisher, before, left, disk.steps[:fail_at], error


@pytest.mark.parametrize(("operation", "prepare"), CASES, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_an_operation_that_the_disk_fails_raises_and_does_no_step_by_halves(
    tmp_path: Path, report: Report, operation: str, prepare: Callable[[Publisher, Report], None], code: int
) -> None:
    outcomes = []
    for publisher, before, left, steps, error in failures(operation, prepare, tmp_path, report, code):
        assert leftovers(publisher.root) <= left, steps
        after = state(publisher.root)
        done = progress(operation, before, after)
        outcomes.append((steps[-1], error is not None, done))
        if error:
            assert error.errno == code, steps
        if done < ALL:
            OPERATIONS[operation](publisher, report)
            assert state(publisher.root) != after, steps
            assert not leftovers(publisher.root), steps
    assert len(outcomes) > 8
    failed = [done for _, raised, done in outcomes if raised]
    assert failed == sorted(failed)
    assert (PUBLISHED in failed) == (operation == "publish_job")
    unusual = [outcome for outcome in outcomes if not outcome[1] or outcome[2] == ALL]
    # A folder that cannot be looked at is not collected; a file that was replaced may have been read.
    look, forced_too_late = ("open", False, ALL), ("fsync", True, ALL)
    assert set(unusual) <= ({look} if operation == "publish" else {look, forced_too_late})
    assert unusual.count(forced_too_late) <= 1


def test_a_failed_operation_leaves_no_file_open(tmp_path: Path, report: Report) -> None:
    def descriptors() -> set[str]:
        return {path.name for path in Path("/proc/self/fd").iterdir()}

    before = descriptors()
    for operation in OPERATIONS:
        folder = tmp_path / operation
        folder.mkdir()
        for _ in failures(operation, serving_2_with_leftovers, folder, report, errno.EIO):
            assert descriptors() == before
