"""The read side: it lists what is there, verifies what it reads, and calls everything else missing or corrupt."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.card import Report
from contract.errors import CorruptArtifact, NotFound
from contract.model_file import CARD_FILE, MODEL_FILE
from contract.publishing import MAX_PREVIOUS, Publisher
from contract.repository import POINTER_FILE, Pointer, Repository

MODEL = b"the bytes of a model"


@pytest.fixture
def root(publisher: Publisher, report: Report) -> Path:
    """Model `iris` with versions 1 and 2, of which 2 serves after 1."""
    for content in (b"first", MODEL):
        card = publisher.publish("iris", content, report)
        publisher.promote("iris", card.version)
    return publisher.root


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything under a folder: mode, time of change and content."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def rewrite(path: Path, **changes: Any) -> None:
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | changes))


@pytest.mark.parametrize("make", [lambda _: None, lambda root: root.mkdir(), lambda root: root.touch()])
def test_a_root_that_is_missing_empty_or_no_folder_holds_no_models(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "models"
    make(root)
    repository = Repository(root)
    assert repository.names() == []
    assert repository.versions("iris") == []
    assert repository.pointer_stamp("iris") is None
    for read in (repository.current, repository.read_current):
        with pytest.raises(NotFound, match="a model must have a current version, got 'iris'"):
            read("iris")
    for read_version in (repository.card, repository.read):
        with pytest.raises(NotFound, match="a version must be published, got iris/1"):
            read_version("iris", 1)


def test_a_published_model_is_listed_and_read(root: Path, report: Report) -> None:
    repository = Repository(root)
    assert repository.names() == ["iris"]
    assert repository.versions("iris") == [1, 2]
    pointer, artifact = repository.read_current("iris")
    digest = hashlib.sha256(MODEL).hexdigest()
    assert pointer == Pointer(name="iris", version=2, sha256=digest, sequence=2, previous=(1,))
    assert artifact.model == MODEL
    assert artifact.card == repository.card("iris", 2)
    assert artifact.card.report == report
    assert (artifact.card.model_file.sha256, artifact.card.model_file.size_bytes) == (digest, len(MODEL))
    assert repository.read("iris", 1).model == b"first"


def test_names_are_in_alphabetical_order_and_of_promoted_models_only(publisher: Publisher, report: Report) -> None:
    for name in ("wine", "adult", "iris"):
        publisher.publish(name, MODEL, report)
        if name != "iris":
            publisher.promote(name, 1)
    assert publisher.names() == ["adult", "wine"]


def test_versions_are_in_numeric_order(publisher: Publisher, report: Report) -> None:
    for _ in range(11):
        publisher.publish("iris", MODEL, report)
    assert publisher.versions("iris") == list(range(1, 12))


def test_a_version_that_was_never_published_is_not_found(root: Path) -> None:
    for read in (Repository(root).card, Repository(root).read):
        with pytest.raises(NotFound, match="a version must be published, got iris/3"):
            read("iris", 3)


@pytest.mark.parametrize("version", [0, -1, 10**18, 10**300, 10**5000], ids=["0", "-1", "1e18", "1e300", "1e5000"])
def test_a_number_that_no_version_has_is_not_found(root: Path, version: int) -> None:
    for read in (Repository(root).card, Repository(root).read):
        with pytest.raises(NotFound, match="a version of 'iris' must lie between 1 and"):
            read("iris", version)


JUNK_NAMES = ["01", "007", "0", "-1", "+3", "1.0", "3a", "²", "٣", " 3", "3 ", "1_0", ".3", ".staging-00", "9" * 30]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_junk_beside_versions_is_no_version(root: Path, kind: str) -> None:
    for name in JUNK_NAMES:
        (root / "iris" / name).touch() if kind == "file" else (root / "iris" / name).mkdir()
    assert Repository(root).versions("iris") == [1, 2]
    assert Repository(root).read_current("iris")[1].model == MODEL


def test_a_file_with_the_name_of_a_version_is_no_version(root: Path) -> None:
    (root / "iris" / "3").touch()
    assert Repository(root).versions("iris") == [1, 2]
    for read in (Repository(root).card, Repository(root).read):
        with pytest.raises(NotFound, match="a version must be published, got iris/3"):
            read("iris", 3)


def test_a_link_is_neither_a_version_nor_a_model(root: Path) -> None:
    (root / "iris" / "3").symlink_to("2")
    (root / "iris" / "4").symlink_to("nowhere")
    (root / "flower").symlink_to("iris")
    (root / "nothing").symlink_to("nowhere")
    assert Repository(root).versions("iris") == [1, 2]
    assert Repository(root).names() == ["iris"]


def test_junk_beside_models_is_no_model(root: Path) -> None:
    for name in ("IRIS", ".hidden", "a b", "ünï", "-x", "empty"):
        (root / name).mkdir()
        if name != "empty":
            shutil.copy(root / "iris" / POINTER_FILE, root / name / POINTER_FILE)
    (root / "readme").touch()
    (root / "current").touch()
    (root / "odd").mkdir()
    (root / "odd" / POINTER_FILE).mkdir()
    assert Repository(root).names() == ["iris"]


def test_a_file_with_the_name_of_a_model_is_no_model(root: Path) -> None:
    (root / "wine").touch()
    repository = Repository(root)
    assert repository.versions("wine") == []
    assert repository.pointer_stamp("wine") is None
    with pytest.raises(NotFound):
        repository.current("wine")
    with pytest.raises(NotFound):
        repository.read("wine", 1)


def test_an_empty_folder_with_the_name_of_a_version_is_corrupt(root: Path) -> None:
    (root / "iris" / "3").mkdir()
    with pytest.raises(CorruptArtifact, match=r"iris/3 must hold the file card\.json"):
        Repository(root).read("iris", 3)


def test_a_version_without_its_model_file_is_corrupt(root: Path) -> None:
    (root / "iris" / "2" / MODEL_FILE).unlink()
    with pytest.raises(CorruptArtifact, match=r"iris/2 must hold the file model\.onnx"):
        Repository(root).read_current("iris")


@pytest.mark.parametrize("file", [f"2/{CARD_FILE}", f"2/{MODEL_FILE}", POINTER_FILE])
def test_a_folder_in_the_place_of_a_file_is_corrupt(root: Path, file: str) -> None:
    (root / "iris" / file).unlink()
    (root / "iris" / file).mkdir()
    with pytest.raises(CorruptArtifact):
        Repository(root).read_current("iris")


@pytest.mark.parametrize("content", [b"", MODEL[:-1], MODEL + b"\0", MODEL * 2])
def test_a_model_of_another_size_is_corrupt(root: Path, content: bytes) -> None:
    (root / "iris" / "2" / MODEL_FILE).write_bytes(content)
    with pytest.raises(CorruptArtifact, match=rf"iris/2 must have {len(MODEL)} bytes, got {len(content)}"):
        Repository(root).read("iris", 2)


@pytest.mark.parametrize("position", range(len(MODEL)))
def test_a_model_with_one_bit_flipped_is_corrupt(root: Path, position: int) -> None:
    flipped = bytearray(MODEL)
    flipped[position] ^= 1
    (root / "iris" / "2" / MODEL_FILE).write_bytes(flipped)
    with pytest.raises(CorruptArtifact, match="must have the SHA-256"):
        Repository(root).read_current("iris")


@pytest.mark.parametrize("file", [f"2/{CARD_FILE}", POINTER_FILE])
def test_a_file_cut_short_anywhere_is_corrupt(root: Path, file: str) -> None:
    path = root / "iris" / file
    content = path.read_bytes()
    for length in range(0, len(content) - len(b"}\n"), 7):
        path.write_bytes(content[:length])
        with pytest.raises(CorruptArtifact):
            Repository(root).read_current("iris")


@pytest.mark.parametrize("file", [f"2/{CARD_FILE}", POINTER_FILE])
@pytest.mark.parametrize("bit", range(8))
def test_a_file_with_one_bit_flipped_is_corrupt_or_tells_of_the_same_model(root: Path, file: str, bit: int) -> None:
    """A flipped bit may hit a place that says nothing of the model, such as white space or a metric."""
    path = root / "iris" / file
    content = path.read_bytes()
    for position in range(0, len(content), 5 if file == POINTER_FILE else 37):
        flipped = bytearray(content)
        flipped[position] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            pointer, artifact = Repository(root).read_current("iris")
        except CorruptArtifact:
            continue
        assert artifact.model == MODEL
        assert (pointer.name, pointer.version, artifact.card.version) == ("iris", 2, 2)


@settings(max_examples=50)
@given(content=st.binary(max_size=100))
def test_a_pointer_of_random_bytes_is_corrupt(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "random" / "iris"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POINTER_FILE).write_bytes(content)
    with pytest.raises(CorruptArtifact, match="the pointer of 'iris' must be readable"):
        Repository(folder.parent).current("iris")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"version": "2"},
        {"version": 1.5},
        {"sequence": None},
        {"previous": 1},
        {"previous": ["1"]},
        {"sha256": 5},
        {"more": 1},
    ],
    ids=str,
)
def test_a_pointer_with_a_wrong_field_is_corrupt(root: Path, changes: dict[str, Any]) -> None:
    rewrite(root / "iris" / POINTER_FILE, **changes)
    for read in (Repository(root).current, Repository(root).read_current):
        with pytest.raises(CorruptArtifact, match="the pointer of 'iris' must be readable"):
            read("iris")


def test_a_pointer_that_names_another_model_is_corrupt(root: Path) -> None:
    rewrite(root / "iris" / POINTER_FILE, name="wine")
    with pytest.raises(CorruptArtifact, match="the pointer of 'iris' must name it, got 'wine'"):
        Repository(root).current("iris")


@pytest.mark.parametrize("version", [0, -1, 3, 10**30])
def test_a_pointer_to_a_version_that_is_not_there_is_corrupt(root: Path, version: int) -> None:
    rewrite(root / "iris" / POINTER_FILE, version=version)
    with pytest.raises(CorruptArtifact, match="the pointer of 'iris' must name a version that exists"):
        Repository(root).read_current("iris")


def test_a_pointer_to_a_version_with_another_hash_is_corrupt(root: Path) -> None:
    rewrite(root / "iris" / POINTER_FILE, version=1)
    with pytest.raises(CorruptArtifact, match=r"iris/1 must have the SHA-256 .* of its pointer"):
        Repository(root).read_current("iris")


@pytest.mark.parametrize("changes", [{"name": "wine"}, {"version": 1}])
def test_a_card_that_speaks_of_another_version_is_corrupt(root: Path, changes: dict[str, Any]) -> None:
    rewrite(root / "iris" / "2" / CARD_FILE, **changes)
    with pytest.raises(CorruptArtifact, match="the card of iris/2 must name it"):
        Repository(root).card("iris", 2)


def test_a_version_copied_to_another_number_is_corrupt(root: Path) -> None:
    shutil.copytree(root / "iris" / "2", root / "iris" / "3")
    with pytest.raises(CorruptArtifact, match="the card of iris/3 must name it, got iris/2"):
        Repository(root).read("iris", 3)


def test_reading_needs_no_right_to_write_and_leaves_no_trace(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    before = snapshot(root)
    repository = Repository(root)
    repository.names(), repository.versions("iris"), repository.pointer_stamp("iris")
    repository.card("iris", 1)
    repository.read_current("iris")
    assert snapshot(root) == before
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def test_the_stamp_of_a_pointer_changes_with_every_promotion_and_with_nothing_else(
    publisher: Publisher, report: Report
) -> None:
    assert publisher.pointer_stamp("iris") is None
    for _ in range(2):
        publisher.publish("iris", MODEL, report)
    assert publisher.pointer_stamp("iris") is None
    last = None
    for turn in range(MAX_PREVIOUS + 50):  # long enough for a pointer of the same size as the one before
        publisher.promote("iris", 1 + turn % 2)
        stamp = publisher.pointer_stamp("iris")
        assert stamp != last
        publisher.promote("iris", 1 + turn % 2)
        assert publisher.pointer_stamp("iris") == stamp
        last = stamp
    publisher.roll_back("iris")
    stamp = publisher.pointer_stamp("iris")
    assert stamp != last
    publisher.publish("iris", MODEL, report)
    assert publisher.pointer_stamp("iris") == stamp


def test_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    assert Repository(link).names() == ["iris"]
    assert Repository(link).read_current("iris")[1].model == MODEL


def test_published_names_are_those_with_a_version_promoted_or_not(publisher: Publisher, report: Report) -> None:
    publisher.publish("iris", b"model", report)
    publisher.publish("birds", b"model", report)
    publisher.promote("birds", 1)
    (publisher.root / "empty").mkdir()
    (publisher.root / ".hidden").mkdir()
    assert publisher.published_names() == ["birds", "iris"]
    assert publisher.names() == ["birds"]
