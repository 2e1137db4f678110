"""What is in the audit log stays there as it was written, or somebody notices."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from service.admin import lines
from service.admin.audit import HEAD_FILE, LOG_FILE, Audit, Entry, Verdict, verify
from tests.contract.steps import watch

SCRIPT = Path(__file__).with_name("audit_process.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def audit(folder: Path) -> Audit:
    return Audit(folder)


def fill(audit: Audit, n_entries: int, first: int = 1) -> list[Entry]:
    return [audit.record("ann", "act", f"subject {first + i}", {"i": i}) for i in range(n_entries)]


def read(folder: Path) -> list[bytes]:
    return (folder / LOG_FILE).read_bytes().splitlines(keepends=True)


def write(folder: Path, content: list[bytes]) -> None:
    (folder / LOG_FILE).write_bytes(b"".join(content))


def broken(folder: Path) -> tuple[int | None, str | None]:
    verdict = verify(folder)
    return verdict.broken_at, verdict.reason


def start(mode: str, folder: Path, *rest: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), mode, str(folder), *map(str, rest)],
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[3])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_entries_are_numbered_timed_and_chained(audit: Audit, folder: Path) -> None:
    first, second = fill(audit, 2)
    assert (first.sequence, second.sequence) == (1, 2)
    assert (first.previous, second.previous) == ("0" * 64, first.hash)
    assert (second.actor, second.action, second.subject, second.details) == ("ann", "act", "subject 2", {"i": 1})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first.time)
    assert verify(folder) == Verdict(
        n_entries=2, first_time=first.time, last_time=second.time, broken_at=None, reason=None
    )


def test_a_hash_is_that_of_its_line_without_it(audit: Audit, folder: Path) -> None:
    """Checked with nothing of ours, as an auditor would."""
    audit.record("ann", "act", "é", {"b": {"d": 1, "c": [1.5, None, True]}, "a": "x"})
    (line,) = read(folder)
    content = re.sub(rb',"hash":"[0-9a-f]{64}"\}\n$', b"}", line)
    given = json.loads(line)
    assert given.pop("hash") == hashlib.sha256(content).hexdigest()
    assert json.loads(content) == given
    assert content == json.dumps(given, separators=(",", ":"), ensure_ascii=False).encode()
    assert list(given["details"]) == ["a", "b"]


def test_a_log_that_is_not_there_is_empty(audit: Audit, folder: Path) -> None:
    assert audit.entries(10) == []
    for _ in range(2):
        assert verify(folder) == Verdict(n_entries=0, first_time=None, last_time=None, broken_at=None, reason=None)
        folder.mkdir(exist_ok=True)
    assert list(folder.iterdir()) == []


def test_no_text_can_begin_a_line_of_its_own(audit: Audit, folder: Path) -> None:
    text = 'a\r\nb\n{"sequence":2}\x00\x85\u2028"\\é'
    entry = audit.record(text, text, text, {text: text})
    assert (folder / LOG_FILE).read_bytes().count(b"\n") == 1
    assert audit.entries(10) == [entry]
    assert entry.actor == text
    assert broken(folder) == (None, None)


@pytest.mark.parametrize(
    "details", [{"x": object()}, {"x": "\ud800"}, {"x": {1j: 2}}], ids=["type", "surrogate", "key"]
)
def test_what_json_cannot_write_is_not_recorded(audit: Audit, folder: Path, details: dict[str, Any]) -> None:
    fill(audit, 1)
    before = (folder / LOG_FILE).read_bytes()
    with pytest.raises((TypeError, ValueError)):
        audit.record("ann", "act", "subject", details)
    assert (folder / LOG_FILE).read_bytes() == before
    assert broken(folder) == (None, None)


@pytest.mark.parametrize("details", [{"x": float("nan")}, {"x": 2**80}, {"x": 1e300}, {"x": -0.0}, {"x": 1e-7}])
def test_odd_numbers_leave_the_log_intact(audit: Audit, folder: Path, details: dict[str, Any]) -> None:
    entry = audit.record("ann", "act", "subject", details)
    fill(audit, 1)
    assert audit.entries(2)[1] == entry
    assert broken(folder) == (None, None)


N = 6
LINES = range(1, N + 1)
EDITS: list[Callable[[bytes], bytes]] = [
    lambda line: line.replace(b'"actor":"ann"', b'"actor":"bob"'),
    lambda line: line.replace(b'"details":{', b'"details":{ '),
    lambda line: line.replace(b'{"sequence"', b'{"actor":"bob","sequence"'),
    lambda line: line.replace(b'"}\n', b'","note":1}\n'),
    lambda line: line.replace(b"\n", b" \n"),
    lambda line: line.replace(b"\n", b"\r\n"),
    lambda line: re.sub(rb'"hash":"[0-9a-f]', b'"hash":"g', line),
    lambda line: re.sub(rb'"time":"2', b'"time":"1', line),
    lambda line: re.sub(rb'"sequence":(\d)', rb'"sequence":1\1', line),
    lambda line: line[: len(line) // 2] + b"\n",
    lambda line: b"\n",
    lambda line: b"[]\n",
    lambda line: b"\xff" + line[1:],
    lambda line: line.replace(b'"details":{', b'"details":{"x":' + b"[" * 100_000),
]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("at", LINES)
def test_an_edited_line_is_named(audit: Audit, folder: Path, at: int, edit: Callable[[bytes], bytes]) -> None:
    fill(audit, N)
    content = read(folder)
    assert edit(content[at - 1]) != content[at - 1]
    content[at - 1] = edit(content[at - 1])
    write(folder, content)
    assert broken(folder)[0] == at
    assert verify(folder).n_entries == at - 1


def reseal(line: bytes) -> bytes:
    """The line with the hash of what it says now."""
    content = re.sub(rb',"hash":"[0-9a-f]{64}"\}\n$', b"}", line)
    return content[:-1] + f',"hash":"{hashlib.sha256(content).hexdigest()}"}}\n'.encode()


@pytest.mark.parametrize("at", LINES)
def test_an_edited_line_with_a_new_hash_is_missed_by_its_follower(audit: Audit, folder: Path, at: int) -> None:
    fill(audit, N)
    content = read(folder)
    content[at - 1] = reseal(content[at - 1].replace(b"ann", b"bob"))
    write(folder, content)
    named, reason = broken(folder)
    assert named == min(at + 1, N)
    assert "head" in str(reason) if at == N else "previous" in str(reason)


@pytest.mark.parametrize("at", LINES)
def test_a_deleted_line_is_named(audit: Audit, folder: Path, at: int) -> None:
    fill(audit, N)
    content = read(folder)
    del content[at - 1]
    write(folder, content)
    reason = (
        f"the log ends at entry {N - 1}, the head says {N}" if at == N else f"its sequence must be {at}, got {at + 1}"
    )
    assert broken(folder) == (at, reason)


@pytest.mark.parametrize("at", LINES)
@pytest.mark.parametrize("source", LINES)
def test_an_inserted_copy_is_named(audit: Audit, folder: Path, at: int, source: int) -> None:
    fill(audit, N)
    content = read(folder)
    content.insert(at - 1, content[source - 1])
    write(folder, content)
    assert broken(folder)[0] == (at + 1 if source == at else at)


@pytest.mark.parametrize("at", range(1, N))
def test_swapped_lines_are_named(audit: Audit, folder: Path, at: int) -> None:
    fill(audit, N)
    content = read(folder)
    content[at - 1], content[at] = content[at], content[at - 1]
    write(folder, content)
    assert broken(folder)[0] == at


@pytest.mark.parametrize("kept", range(N))
def test_a_log_cut_off_is_noticed_by_its_head(audit: Audit, folder: Path, kept: int) -> None:
    fill(audit, N)
    write(folder, read(folder)[:kept])
    assert broken(folder) == (kept + 1, f"the log ends at entry {kept}, the head says {N}")


def test_half_of_the_last_line_is_noticed_by_its_head(audit: Audit, folder: Path) -> None:
    fill(audit, N)
    write(folder, [(folder / LOG_FILE).read_bytes()[:-1]])
    assert broken(folder) == (N, f"the log ends at entry {N - 1}, the head says {N}")


def test_a_deleted_log_is_noticed_by_its_head(audit: Audit, folder: Path) -> None:
    fill(audit, N)
    (folder / LOG_FILE).unlink()
    assert broken(folder) == (1, f"the log ends at entry 0, the head says {N}")


@pytest.mark.parametrize("head", [None, b"", b"{", b"\xff", b'{"sequence":3,"hash":"' + b"1" * 64 + b'"}'])
def test_a_lost_or_damaged_head_is_noticed(audit: Audit, folder: Path, head: bytes | None) -> None:
    fill(audit, 3)
    (folder / HEAD_FILE).unlink()
    if head is not None:
        (folder / HEAD_FILE).write_bytes(head)
    assert broken(folder)[0] is not None


def cut(folder: Path) -> None:
    write(folder, read(folder)[:2])


def cut_in_a_line(folder: Path) -> None:
    write(folder, [(folder / LOG_FILE).read_bytes()[:-5]])


def delete_the_log(folder: Path) -> None:
    (folder / LOG_FILE).unlink()


def delete_the_head(folder: Path) -> None:
    (folder / HEAD_FILE).unlink()


def cut_and_delete_the_head(folder: Path) -> None:
    cut(folder)
    delete_the_head(folder)


def edit_the_last_line(folder: Path) -> None:
    *content, last = read(folder)
    write(folder, [*content, reseal(last.replace(b"ann", b"bob"))])


def add_lines(folder: Path) -> None:
    *content, last = read(folder)
    for i in (5, 6):
        last = reseal(re.sub(rb'"sequence":\d', b'"sequence":%d' % i, last))
        content.append(last)
    write(folder, content)


@pytest.mark.parametrize(
    "damage",
    [cut, cut_in_a_line, delete_the_log, delete_the_head, cut_and_delete_the_head, edit_the_last_line, add_lines],
)
def test_later_entries_do_not_hide_that_a_log_was_touched(
    audit: Audit, folder: Path, damage: Callable[[Path], None]
) -> None:
    fill(audit, 4)
    damage(folder)
    assert broken(folder)[0] is not None
    for _ in range(3):
        fill(audit, 1)
        assert broken(folder)[0] is not None


@pytest.mark.parametrize("n_bytes", [1, 50, 200])
def test_a_half_line_is_no_entry_and_is_cut_off(audit: Audit, folder: Path, n_bytes: int) -> None:
    entries = fill(audit, 2)
    with (folder / LOG_FILE).open("ab") as log:
        log.write(read(folder)[0][:n_bytes])
    assert verify(folder).n_entries == 2
    assert broken(folder) == (None, None)
    assert audit.entries(5) == entries[::-1]
    fill(audit, 1)
    assert len(read(folder)) == 3
    assert broken(folder) == (None, None)


@pytest.mark.parametrize("block", [1, 7, 300, 64 * 2**10])
def test_entries_are_listed_newest_first(
    audit: Audit, folder: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    newest_first = fill(audit, 8)[::-1]
    assert audit.entries(100) == newest_first
    assert audit.entries(3) == newest_first[:3]
    assert audit.entries(3, before=4) == newest_first[5:]
    assert audit.entries(2, before=6) == newest_first[3:5]
    assert audit.entries(3, before=1) == audit.entries(0) == []
    with (folder / LOG_FILE).open("ab") as log:
        log.write(b'{"half')
    assert audit.entries(100) == newest_first


def test_the_latest_entries_are_read_without_the_others(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1000)
    fill(audit, 50)
    n_read = 0
    pread = os.pread

    def counted(*args: int) -> bytes:
        nonlocal n_read
        content = pread(*args)
        n_read += len(content)
        return content

    monkeypatch.setattr(os, "pread", counted)
    assert len(audit.entries(2)) == 2
    assert n_read <= 2000


def test_what_is_no_entry_is_left_out_of_the_list(audit: Audit, folder: Path) -> None:
    first, _, third = fill(audit, 3)
    content = read(folder)
    write(folder, [content[0], b"[" * 100_000 + b"\n", content[2]])
    assert audit.entries(10) == [third, first]


def test_processes_take_turns(audit: Audit, folder: Path) -> None:
    writers = [start("race", folder, name, 15) for name in ("a", "b", "c")]
    try:
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while any(writer.poll() is None for writer in writers):
            assert broken(folder) == (None, None)
    finally:
        for writer in writers:
            writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert verify(folder).n_entries == 45
    for name in ("a", "b", "c"):
        assert [one.subject for one in audit.entries(100) if one.actor == name] == [str(i) for i in reversed(range(15))]


@pytest.mark.parametrize("n_before", [0, 3])
def test_a_writer_killed_at_any_step_leaves_a_log_that_goes_on(audit: Audit, folder: Path, n_before: int) -> None:
    before = fill(audit, n_before)
    with start("kill", folder) as writer:
        assert writer.wait(timeout=60) == 0
    *killed, completed = sorted(folder.parent.glob("state-*"))
    assert verify(completed).n_entries == n_before + 1
    assert len(killed) > 15
    seen = set()
    for copy in killed:
        assert broken(copy) == (None, None), copy
        n_entries = verify(copy).n_entries
        assert n_entries in (n_before, n_before + 1)
        seen.add((n_entries, read(copy)[n_entries:] != [] if (copy / LOG_FILE).exists() else None))
        fill(Audit(copy), 2)
        assert broken(copy) == (None, None), copy
        assert verify(copy).n_entries == n_entries + 2
        assert Audit(copy).entries(100)[::-1][:n_before] == before
        assert not (copy / f"{HEAD_FILE}.new").exists()
    # Before the line, in the midst of it, behind it.
    assert seen >= {(n_before, False), (n_before, True), (n_before + 1, False)}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("n_before", [0, 3])
def test_a_disk_that_fails_at_any_step_leaves_a_log_that_goes_on(tmp_path: Path, n_before: int, code: int) -> None:
    outcomes = set()
    for fail_at in count(1):
        folder = tmp_path / str(fail_at)
        audit = Audit(folder)
        fill(audit, n_before)
        n_steps = 0

        def step(name: str, fail_at: int = fail_at) -> None:
            nonlocal n_steps
            if name in ("mkdir", "open", "write", "fsync", "replace"):
                n_steps += 1
                if n_steps == fail_at:
                    raise OSError(code, os.strerror(code))

        recorded = False
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(OSError):
            watch(step, patch.setattr)
            audit.record("ann", "act", "subject", {})
            recorded = True
        if n_steps < fail_at:
            break
        outcomes.add(recorded)
        assert broken(folder) == (None, None)
        assert verify(folder).n_entries == n_before + recorded
        fill(audit, 2)
        assert broken(folder) == (None, None)
        assert verify(folder).n_entries == n_before + recorded + 2
    assert outcomes == {True, False}


def steps_of(call: Callable[[], object]) -> list[str]:
    steps: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        watch(steps.append, patch.setattr)
        call()
    return steps


def test_a_line_is_on_the_disk_before_the_head_names_it(audit: Audit, folder: Path) -> None:
    steps = steps_of(lambda: fill(audit, 1))
    assert "sync_folder done" in steps[steps.index("flock done") : steps.index("write")]
    killed_before_the_head = (folder / HEAD_FILE).read_bytes()
    steps = steps_of(lambda: fill(audit, 1))
    assert "fsync done" in steps[steps.index("write") : steps.index("replace_file")]
    (folder / HEAD_FILE).write_bytes(killed_before_the_head)
    steps = steps_of(lambda: fill(audit, 1))
    assert steps.count("replace_file") == 2
    assert "fsync done" in steps[: steps.index("replace_file")]


@pytest.mark.parametrize(("moment", "n_seen"), [("flock", 5), ("close done", 3)], ids=["before", "behind"])
def test_a_log_that_grows_while_it_is_verified_is_intact(audit: Audit, folder: Path, moment: str, n_seen: int) -> None:
    fill(audit, 3)
    with pytest.MonkeyPatch.context() as patch:

        def step(name: str) -> None:
            if name == moment:
                patch.undo()
                fill(audit, 2)

        watch(step, patch.setattr)
        verdict = verify(folder)
    assert (verdict.n_entries, verdict.broken_at) == (n_seen, None)
    assert verify(folder).n_entries == 5


def refuse(*_: object) -> None:
    raise OSError(errno.EIO, "no")


def test_a_head_that_stays_behind_stops_the_log_before_it_is_two_behind(
    audit: Audit, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(audit, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        audit.record("ann", "act", "subject", {})
        assert "the head of the audit log cannot be written" in caplog.text
        with pytest.raises(OSError, match="no"):
            audit.record("ann", "act", "subject", {})
    assert verify(folder).n_entries == 2
    assert broken(folder) == (None, None)
    fill(audit, 1)
    assert verify(folder).n_entries == 3
    assert broken(folder) == (None, None)
