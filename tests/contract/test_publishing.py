"""The write side: versions grow, one of them serves, and nobody who publishes takes anything from anybody else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.card import Card, ModelFile, Report
from contract.errors import CorruptArtifact, NotFound, Superseded
from contract.model_file import CARD_FILE, MODEL_FILE
from contract.publishing import MAX_PREVIOUS, Publisher
from contract.repository import POINTER_FILE, Pointer, Repository


@pytest.fixture
def publish(publisher: Publisher, report: Report) -> Callable[..., Card]:
    """Publishes a version of `iris`, with bytes of its own."""
    n_published = 0

    def publish_next(content: bytes | None = None) -> Card:
        nonlocal n_published
        n_published += 1
        return publisher.publish("iris", f"model {n_published}".encode() if content is None else content, report)

    return publish_next


def visible(root: Path) -> dict[str, bytes]:
    """The files that a reader may look at."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


def staged(root: Path) -> list[Path]:
    return list(root.glob("*/.staging-*"))


def test_versions_grow_by_one(publish: Callable[..., Card], publisher: Publisher) -> None:
    assert [publish().version for _ in range(3)] == [1, 2, 3]
    assert publisher.versions("iris") == [1, 2, 3]


def test_models_count_their_versions_apart(publisher: Publisher, report: Report) -> None:
    assert [publisher.publish(name, b"model", report).version for name in ("iris", "wine", "iris")] == [1, 1, 2]


def test_the_card_says_what_was_published_and_when(publish: Callable[..., Card], report: Report) -> None:
    card = publish(b"model")
    assert card == Card(
        name="iris",
        version=1,
        parent_version=None,
        created_at=card.created_at,
        model_file=ModelFile(size_bytes=5, sha256=sha256(b"model").hexdigest()),
        report=report,
    )
    age = datetime.now(UTC) - datetime.fromisoformat(card.created_at)
    assert timedelta(seconds=-1) < age < timedelta(minutes=1)


def test_the_parent_of_a_version_is_what_served_when_it_was_published(
    publish: Callable[..., Card], publisher: Publisher
) -> None:
    publish()
    assert publish().parent_version is None
    publisher.promote("iris", 1)
    assert publish().parent_version == 1
    publisher.promote("iris", 3)
    publisher.roll_back("iris")
    assert publish().parent_version == 1


@pytest.mark.parametrize("model", [b"", b"\0" * 3_000_000], ids=["empty", "large"])
def test_any_bytes_are_a_model_to_the_repository(
    publish: Callable[..., Card], publisher: Publisher, model: bytes
) -> None:
    assert publisher.read("iris", publish(model).version).model == model


def test_a_published_version_does_not_serve(publish: Callable[..., Card], publisher: Publisher) -> None:
    publish()
    assert publisher.names() == []
    with pytest.raises(NotFound, match="a model must have a current version, got 'iris'"):
        publisher.read_current("iris")
    publisher.promote("iris", 1)
    publish()
    assert publisher.current("iris").version == 1


def test_nothing_that_follows_changes_a_published_version(publish: Callable[..., Card], publisher: Publisher) -> None:
    publish()
    before = visible(publisher.root)
    times = {path: (publisher.root / path).stat().st_mtime_ns for path in before}
    publish()
    publish(b"model 1")
    publisher.promote("iris", 1)
    publisher.promote("iris", 3)
    publisher.roll_back("iris")
    after = visible(publisher.root)
    assert {path: after[path] for path in before} == before
    assert {path: (publisher.root / path).stat().st_mtime_ns for path in before} == times


def test_a_version_is_made_of_two_files(publish: Callable[..., Card], publisher: Publisher) -> None:
    publish()
    publisher.promote("iris", 1)
    assert set(visible(publisher.root)) == {f"iris/1/{MODEL_FILE}", f"iris/1/{CARD_FILE}", f"iris/{POINTER_FILE}"}


def test_a_promoted_version_serves(publish: Callable[..., Card], publisher: Publisher) -> None:
    card = publish()
    pointer = publisher.promote("iris", 1)
    assert pointer == Pointer(name="iris", version=1, sha256=card.model_file.sha256, sequence=1)
    assert publisher.read_current("iris") == (pointer, publisher.read("iris", 1))
    assert publisher.names() == ["iris"]


def test_promoting_what_serves_already_changes_nothing(publish: Callable[..., Card], publisher: Publisher) -> None:
    publish()
    pointer = publisher.promote("iris", 1)
    stamp = publisher.pointer_stamp("iris")
    assert publisher.promote("iris", 1) == pointer
    assert publisher.pointer_stamp("iris") == stamp


def test_a_rollback_goes_one_further_back_each_time(publish: Callable[..., Card], publisher: Publisher) -> None:
    for _ in range(4):
        publish()
    for version in (1, 3, 1, 4):
        publisher.promote("iris", version)
    assert publisher.current("iris").previous == (1, 3, 1)
    assert [publisher.roll_back("iris").version for _ in range(3)] == [1, 3, 1]
    pointer = publisher.current("iris")
    assert (pointer.sequence, pointer.previous) == (7, ())
    before = visible(publisher.root)
    with pytest.raises(NotFound, match="a rollback needs an earlier version, got none before iris/1"):
        publisher.roll_back("iris")
    assert visible(publisher.root) == before


def test_a_rollback_of_a_version_that_does_not_serve_changes_nothing(
    publish: Callable[..., Card], publisher: Publisher
) -> None:
    """Two who saw the same version fail call for the same rollback: it goes back once."""
    for _ in range(3):
        publisher.promote("iris", publish().version)
    assert publisher.roll_back("iris", 3).version == 2
    before, stamp = visible(publisher.root), publisher.pointer_stamp("iris")
    for version in (3, 1, 0, 99):
        with pytest.raises(Superseded, match=f"must be the one that serves, got iris/{version}"):
            publisher.roll_back("iris", version)
    assert visible(publisher.root) == before
    assert publisher.pointer_stamp("iris") == stamp
    assert publisher.roll_back("iris", 2).version == 1
    with pytest.raises(NotFound, match="a rollback needs an earlier version, got none before iris/1"):
        publisher.roll_back("iris", 1)


def test_a_version_that_was_rolled_back_can_be_promoted_again(
    publish: Callable[..., Card], publisher: Publisher
) -> None:
    for _ in range(2):
        publisher.promote("iris", publish().version)
    publisher.roll_back("iris")
    pointer = publisher.promote("iris", 2)
    assert (pointer.version, pointer.sequence, pointer.previous) == (2, 4, (1,))


def test_a_pointer_remembers_a_bounded_number_of_earlier_versions(
    publish: Callable[..., Card], publisher: Publisher
) -> None:
    for _ in range(2):
        publish()
    for turn in range(MAX_PREVIOUS + 10):
        publisher.promote("iris", 1 + turn % 2)
    pointer = publisher.current("iris")
    assert pointer.sequence == MAX_PREVIOUS + 10
    assert len(pointer.previous) == MAX_PREVIOUS
    assert pointer.previous[-1] != pointer.version


REFUSED: dict[str, tuple[Callable[[Publisher], object], type[Exception]]] = {
    "promote an unknown model": (lambda publisher: publisher.promote("wine", 1), NotFound),
    "promote an unknown version": (lambda publisher: publisher.promote("iris", 9), NotFound),
    "promote no version": (lambda publisher: publisher.promote("iris", 0), NotFound),
    "roll back an unknown model": (lambda publisher: publisher.roll_back("wine"), NotFound),
    "promote a corrupt model": (lambda publisher: publisher.promote("iris", 3), CorruptArtifact),
    "promote a corrupt card": (lambda publisher: publisher.promote("iris", 4), CorruptArtifact),
    "roll back to a corrupt model": (lambda publisher: publisher.roll_back("iris"), CorruptArtifact),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(publish: Callable[..., Card], publisher: Publisher, case: str) -> None:
    for _ in range(4):
        publish()
    for version in (3, 1):
        publisher.promote("iris", version)
    (publisher.root / "iris" / "3" / MODEL_FILE).write_bytes(b"model 4")
    (publisher.root / "iris" / "4" / CARD_FILE).write_bytes(b"{}")
    before = visible(publisher.root)
    act, error = REFUSED[case]
    with pytest.raises(error):
        act(publisher)
    assert visible(publisher.root) == before
    assert not staged(publisher.root)
    assert not (publisher.root / "wine").exists()


def test_a_model_that_never_served_cannot_be_rolled_back(publish: Callable[..., Card], publisher: Publisher) -> None:
    publish()
    with pytest.raises(NotFound, match="a model must have a current version"):
        publisher.roll_back("iris")


def test_an_earlier_version_that_was_deleted_is_not_rolled_back_to(
    publish: Callable[..., Card], publisher: Publisher
) -> None:
    for _ in range(3):
        publisher.promote("iris", publish().version)
    shutil.rmtree(publisher.root / "iris" / "2")
    with pytest.raises(NotFound, match="a version must be published, got iris/2"):
        publisher.roll_back("iris")
    assert publisher.current("iris").version == 3


def test_a_corrupt_pointer_stops_every_writer(publish: Callable[..., Card], publisher: Publisher) -> None:
    """Who would go on without it would forget what served, and count promotions from the beginning."""
    publish()
    publisher.promote("iris", 1)
    (publisher.root / "iris" / POINTER_FILE).write_bytes(b"{")
    for act in (publish, lambda: publisher.promote("iris", 1), lambda: publisher.roll_back("iris")):
        with pytest.raises(CorruptArtifact, match="the pointer of 'iris' must be readable"):
            act()
    assert publisher.versions("iris") == [1]
    assert not staged(publisher.root)


def test_a_report_that_could_not_be_read_back_is_not_published(publisher: Publisher, report: Report) -> None:
    metrics = msgspec.structs.replace(report.metrics, ece=float("nan"))
    with pytest.raises(CorruptArtifact, match=r"report\.metrics\.ece"):
        publisher.publish("iris", b"model", msgspec.structs.replace(report, metrics=metrics))
    assert publisher.versions("iris") == []
    assert not staged(publisher.root)


@pytest.mark.parametrize("promoted", [(), (3,), (3, 1)], ids=["never served", "serves", "served"])
def test_the_number_of_a_deleted_version_is_not_used_again(
    publish: Callable[..., Card], publisher: Publisher, promoted: tuple[int, ...]
) -> None:
    for _ in range(3):
        publish()
    for version in promoted:
        publisher.promote("iris", version)
    shutil.rmtree(publisher.root / "iris" / "3")
    assert publish().version == 4


@pytest.mark.parametrize("promoted", [(), (3,), (3, 1)], ids=["all there", "3 serves", "3 served"])
def test_a_copied_repository_goes_on_counting(
    publish: Callable[..., Card], publisher: Publisher, report: Report, promoted: tuple[int, ...]
) -> None:
    """Hidden files may be left behind by a copy."""
    for _ in range(3):
        publish()
    for version in promoted:
        publisher.promote("iris", version)
    copy = publisher.root.with_name("copy")
    shutil.copytree(publisher.root, copy, ignore=shutil.ignore_patterns(".*", "3" if promoted else ""))
    assert Publisher(copy).publish("iris", b"model", report).version == 4


JUNK: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.touch(),
    "folder": lambda path: path.mkdir(),
    "link to a version": lambda path: path.symlink_to("1"),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("kind", JUNK)
def test_a_name_that_is_taken_is_no_version_and_is_left_alone(
    publish: Callable[..., Card], publisher: Publisher, kind: str
) -> None:
    publish()
    junk = publisher.root / "iris" / "2"
    JUNK[kind](junk)
    before = os.lstat(junk)
    assert publish().version == 3
    assert os.lstat(junk) == before


@pytest.mark.parametrize("kind", JUNK)
def test_junk_in_the_place_of_a_staging_folder_stops_nobody(
    publish: Callable[..., Card], publisher: Publisher, kind: str
) -> None:
    publish()
    JUNK[kind](publisher.root / "iris" / ".staging-junk")
    assert publish().version == 2
    assert publisher.promote("iris", 2).version == 2
    assert publisher.read("iris", 1).model == b"model 1"


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff", b"-5", b"9" * 100])
def test_junk_in_the_hidden_files_stops_nobody(
    publish: Callable[..., Card], publisher: Publisher, content: bytes
) -> None:
    publish()
    for path in (publisher.root / "iris").glob(".*"):
        path.write_bytes(content)
    assert publish().version == 2


def test_what_a_dead_writer_left_is_collected(publish: Callable[..., Card], publisher: Publisher) -> None:
    publish()
    left = publisher.root / "iris" / ".staging-dead"
    left.mkdir()
    (left / MODEL_FILE).write_bytes(b"half a mod")
    publisher.promote("iris", 1)
    assert not left.exists()


def test_readers_see_nothing_of_a_version_in_the_making(
    publish: Callable[..., Card], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    publisher.promote("iris", 1)
    before = visible(publisher.root)
    rename = os.rename
    seen = []

    def look_before_rename(source: Any, target: Any) -> None:
        seen.append((visible(publisher.root), publisher.versions("iris"), publisher.names()))
        rename(source, target)

    monkeypatch.setattr(os, "rename", look_before_rename)
    publish()
    assert seen == [(before, [1], ["iris"])]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was forced to disk and what was renamed, in order."""
    noted: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        noted.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def note_rename(source: Any, target: Any) -> None:
        rename(source, target)
        noted.append(f"{source} -> {target}")

    def note_replace(source: Any, target: Any) -> None:
        replace(source, target)
        noted.append(f"{source} -> {target}")

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    monkeypatch.setattr(os, "replace", note_replace)
    return noted


def test_publishing_forces_contents_to_disk_before_names(
    publish: Callable[..., Card], publisher: Publisher, tmp_path: Path, disk: list[str]
) -> None:
    """And the name of every new folder in the folder above it."""
    publish()
    model = publisher.root / "iris"
    (rename,) = (entry for entry in disk if entry.endswith(f"-> {model / '1'}"))
    staging = rename.partition(" ")[0]
    before, after = disk[: disk.index(rename)], disk[disk.index(rename) + 1 :]
    assert {str(tmp_path), str(publisher.root), f"{staging}/{MODEL_FILE}", f"{staging}/{CARD_FILE}"} <= set(before)
    assert before[-1] == staging
    assert after == [str(model)]


def test_publishing_forces_the_folder_that_a_killed_writer_made_to_disk(
    publish: Callable[..., Card], publisher: Publisher, disk: list[str]
) -> None:
    (publisher.root / "iris").mkdir(parents=True)
    publish()
    assert disk[0] == str(publisher.root)


@pytest.mark.parametrize("act", [lambda publisher: publisher.promote("iris", 2), lambda p: p.roll_back("iris")])
def test_a_pointer_is_on_disk_before_it_is_in_place(
    publish: Callable[..., Card], publisher: Publisher, act: Callable[[Publisher], object], disk: list[str]
) -> None:
    for version in (2, 1):
        publish()
        publish()
        publisher.promote("iris", version)
    disk.clear()
    act(publisher)
    aside, replace, folder = disk
    assert replace == f"{aside} -> {publisher.root / 'iris' / POINTER_FILE}"
    assert folder == str(publisher.root / "iris")


def test_threads_may_share_a_publisher(publisher: Publisher, report: Report) -> None:
    with ThreadPoolExecutor(8) as pool:
        cards = list(pool.map(lambda i: publisher.publish("iris", f"model {i}".encode(), report), range(24)))
    assert sorted(card.version for card in cards) == list(range(1, 25))
    for i, card in enumerate(cards):
        assert publisher.read("iris", card.version).model == f"model {i}".encode()


def test_racing_processes_lose_no_version_and_share_none(
    start_writer: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """8 processes publish and promote 5 versions each, while a reader looks on."""
    root = tmp_path / "models"
    observed: list[Pointer] = []
    finished = threading.Event()
    with ExitStack() as cleanup:
        writers = [cleanup.enter_context(start_writer("race", root, 5)) for _ in range(8)]
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        reader = cleanup.enter_context(ThreadPoolExecutor(1)).submit(_observe, root, finished, observed)
        cleanup.callback(finished.set)
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        told = [row for writer in writers for row in json.loads(writer.communicate(timeout=60)[0])]
        finished.set()
        reader.result(timeout=60)
    repository = Repository(root)
    assert sorted(version for version, _, _ in told) == list(range(1, 41)) == repository.versions("iris")
    assert sorted(sequence for _, _, sequence in told) == list(range(1, 41))
    for version, content, _ in told:
        assert repository.read("iris", version).model == content.encode()
    pointer, _ = repository.read_current("iris")
    assert pointer.sequence == 40
    assert (pointer.version, 40) in {(version, sequence) for version, _, sequence in told}
    in_order = [version for version, _, _ in sorted(told, key=lambda row: row[2])]
    assert [*pointer.previous, pointer.version] == in_order
    assert not staged(root)
    sequences = [pointer.sequence for pointer in observed]
    assert sequences == sorted(sequences)
    assert len(set(sequences)) > 1


def _observe(root: Path, finished: threading.Event, observed: list[Pointer]) -> None:
    repository = Repository(root)
    while not finished.is_set():
        try:
            pointer, artifact = repository.read_current("iris")
        except NotFound:
            continue
        assert artifact.card.version == pointer.version
        observed.append(pointer)
