"""What a trainer tells: events come back whole and in order, and what a killed writer left of a line is never seen."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable
from itertools import accumulate, count, groupby
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.card import EpochRecord, Report
from contract.errors import CorruptArtifact
from contract.job import (
    EVENTS_FILE,
    Cancelled,
    Decided,
    Epoch,
    Event,
    Failed,
    Found,
    Staged,
    Succeeded,
    append_event,
    read_events,
)
from tests.contract.origins import origin
from tests.contract.steps import watch
from tests.contract.writer_process import EVENT

NOW = "2026-01-02T03:04:05+00:00"
RECORD = EpochRecord(epoch=1, train_loss=1.1, valid_loss=1.0, gradient_norm=0.5, update_ratio=0.001)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EVENTS: st.SearchStrategy[Event] = (
    st.builds(Staged, time=TEXT, stage=TEXT)
    | st.builds(Failed, time=TEXT, error=TEXT | st.integers(3_900, 9_000).map("x".__mul__), ours=st.booleans())
    | st.builds(Cancelled, time=TEXT, by=TEXT)
)


def staged(stage: str) -> Staged:
    return Staged(time=NOW, stage=stage)


def lines(events: list[Event]) -> list[bytes]:
    return [msgspec.json.encode(event) + b"\n" for event in events]


def test_events_of_every_kind_come_back_in_order(tmp_path: Path, report: Report) -> None:
    gate = origin(7).gate
    told: list[Event] = [
        staged("reading"),
        Found(time=NOW, finding=gate.findings[0]),
        Epoch(time=NOW, record=RECORD, max_epochs=100, seconds=0.25),
        Decided(time=NOW, gate=gate, metrics=report.metrics),
        Succeeded(time=NOW, version=3, outcome="promoted"),
        Failed(time=NOW, error="the disk is full", ours=True),
        Cancelled(time=NOW, by="key-1"),
    ]
    for event in told:
        append_event(tmp_path, event)
    assert read_events(tmp_path) == (told, (tmp_path / EVENTS_FILE).stat().st_size)


def test_a_job_that_told_nothing_yet_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path) == ([], 0)
    assert read_events(tmp_path / "nowhere", 5) == ([], 5)
    (tmp_path / EVENTS_FILE).touch()
    assert read_events(tmp_path) == ([], 0)


def test_a_reader_goes_on_where_it_stopped(tmp_path: Path) -> None:
    start = 0
    for stage in ("reading", "checking", "fitting"):
        append_event(tmp_path, staged(stage))
        events, start = read_events(tmp_path, start)
        assert events == [staged(stage)]
        assert read_events(tmp_path, start) == ([], start)


def test_an_event_is_seen_once_its_line_is_whole(tmp_path: Path) -> None:
    append_event(tmp_path, staged("reading"))
    whole = (tmp_path / EVENTS_FILE).read_bytes()
    for length in range(len(whole)):
        (tmp_path / EVENTS_FILE).write_bytes(whole[:length])
        assert read_events(tmp_path) == ([], 0)
    (tmp_path / EVENTS_FILE).write_bytes(whole)
    assert read_events(tmp_path) == ([staged("reading")], len(whole))


def test_appending_after_a_line_torn_anywhere_drops_it(tmp_path: Path) -> None:
    before, torn, *after = (staged(stage) for stage in ("reading", "fitting", "comparing", "publishing"))
    (line,) = lines([torn])
    for n_kept in range(len(line)):
        (tmp_path / EVENTS_FILE).unlink(missing_ok=True)
        append_event(tmp_path, before)
        with (tmp_path / EVENTS_FILE).open("ab") as file:
            file.write(line[:n_kept])
        first, start = read_events(tmp_path)
        assert first == [before]
        for event in after:
            append_event(tmp_path, event)
        assert read_events(tmp_path, start)[0] == after
        assert (tmp_path / EVENTS_FILE).read_bytes() == b"".join(lines([before, *after]))


@given(told=st.lists(EVENTS, max_size=4), torn=EVENTS, cut=st.floats(0, 1, exclude_max=True), then=EVENTS)
@example(told=[], torn=Cancelled(time=NOW, by="x" * 9_000), cut=0.99, then=Cancelled(time=NOW, by="x"))
@example(told=[Staged(time="\r\n", stage="\u2028\x85\0")], torn=staged("\n"), cut=0.5, then=staged("\x1e"))
def test_whatever_is_torn_wherever_the_whole_lines_stay(
    told: list[Event], torn: Event, cut: float, then: Event
) -> None:
    """From every event on, as a reader that saw those before it goes on."""
    (line,) = lines([torn])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for event in told:
            append_event(folder, event)
        with (folder / EVENTS_FILE).open("ab") as file:
            file.write(line[: int(cut * len(line))])
        ends = [0, *accumulate(map(len, lines(told)))]
        for n_seen, start in enumerate(ends):
            assert read_events(folder, start) == (told[n_seen:], ends[-1])
        append_event(folder, then)
        assert read_events(folder, ends[-1])[0] == [then]
        assert (folder / EVENTS_FILE).read_bytes() == b"".join(lines([*told, then]))


@pytest.mark.parametrize("n_bytes", [4095, 4096, 4097, 8191, 8192, 8193])
@pytest.mark.parametrize("kept", [0, 1])
def test_the_end_of_the_lines_is_found_however_much_is_torn(tmp_path: Path, n_bytes: int, kept: int) -> None:
    """Also at the edges of the blocks that are searched."""
    whole = b"".join(lines([staged("reading")])) * kept
    (tmp_path / EVENTS_FILE).write_bytes(whole + b"x" * n_bytes)
    append_event(tmp_path, staged("fitting"))
    assert (tmp_path / EVENTS_FILE).read_bytes() == whole + b"".join(lines([staged("fitting")]))


def test_a_whole_line_that_is_no_event_is_told_of(tmp_path: Path) -> None:
    for line in (b"\n", b"{\n", b"\0\0\n", b"\xff\n", b'{"event":"unheard of"}\n', b"[" * 100_000 + b"\n"):
        (tmp_path / EVENTS_FILE).write_bytes(line)
        with pytest.raises(CorruptArtifact, match="an event of a job must be readable"):
            read_events(tmp_path)


@pytest.mark.parametrize(
    "event",
    [
        Epoch(time=NOW, record=msgspec.structs.replace(RECORD, train_loss=float("nan")), max_epochs=100, seconds=0.25),
        Failed(time=NOW, error="b\udce9.csv", ours=False),
    ],
    ids=["a NaN", "no Unicode"],
)
def test_an_event_that_could_not_be_read_back_is_not_written(tmp_path: Path, event: Event) -> None:
    with pytest.raises(CorruptArtifact, match="an event"):
        append_event(tmp_path, event)
    assert list(tmp_path.iterdir()) == []


def torn_job(root: Path) -> bytes:
    """A job that told of one stage, and whose next event is torn; the bytes of the first."""
    root.mkdir(parents=True)
    append_event(root, staged("reading"))
    whole = (root / EVENTS_FILE).read_bytes()
    (root / EVENTS_FILE).write_bytes(whole + whole[:-1])
    return whole


def test_a_writer_killed_at_any_step_leaves_its_event_whole_or_unseen(
    start_writer: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    root = tmp_path / "job"
    whole = torn_job(root)
    with start_writer("kill", root, "append_event") as writer:
        assert writer.wait(timeout=60) == 0
    *killed, completed = sorted(tmp_path.glob("job-*"))
    assert len(killed) > 10
    seen = [read_events(folder)[0] for folder in killed]
    assert [events for events, _ in groupby(seen)] == [[staged("reading")], [staged("reading"), EVENT]]
    sizes = {(folder / EVENTS_FILE).stat().st_size for folder in killed}
    assert len(sizes) > 4
    assert read_events(completed)[0] == seen[-1]
    for folder, events in zip(killed, seen, strict=True):
        append_event(folder, staged("next"))
        assert read_events(folder)[0] == [*events, staged("next")]
        assert read_events(folder, len(whole))[0] == [*events[1:], staged("next")]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_an_event_that_the_disk_fails_is_not_seen_and_can_be_told_again(tmp_path: Path, code: int) -> None:
    failed = []
    codes = set()
    for fail_at in count(1):
        root = tmp_path / str(fail_at)
        torn_job(root)
        steps: list[str] = []

        def step(name: str, steps: list[str] = steps, fail_at: int = fail_at) -> None:
            if name in ("open", "ftruncate", "write"):
                steps.append(name)
                if len(steps) == fail_at:
                    raise OSError(code, os.strerror(code))

        with pytest.MonkeyPatch.context() as patch:
            watch(step, patch.setattr)
            try:
                append_event(root, EVENT)
            except OSError as error:
                codes.add(error.errno)
        if len(steps) < fail_at:
            break
        failed.append(steps[-1])
        assert read_events(root)[0] == [staged("reading")]
        append_event(root, EVENT)
        assert read_events(root)[0] == [staged("reading"), EVENT]
    assert failed[:2] == ["open", "ftruncate"]
    assert failed.count("write") > 3
    assert codes == {code}
