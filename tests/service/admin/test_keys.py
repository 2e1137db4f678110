"""Keys are known by their hashes alone, from the environment and from a file that may change."""

from __future__ import annotations

import errno
import hashlib
import hmac
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import InvalidSettings
from service.admin.keys import Keys, make_key


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def stored(key: str, key_id: str = "ann") -> str:
    return f"{key_id}:{hashlib.sha256(key.encode()).hexdigest()}"


def test_a_made_key_is_256_random_bits_and_its_line_their_hash() -> None:
    key, line = make_key("ci-1")
    assert re.fullmatch(r"litet_[A-Za-z0-9_-]{43}", key)
    assert line == stored(key, "ci-1")
    assert make_key("ci-1")[0] != key


@pytest.mark.parametrize("key_id", ["", "-a", "Ann", "a:b", "a b", "a\n", "a" * 65, "é"])
def test_a_key_needs_an_id_of_the_form_of_ids(key_id: str) -> None:
    with pytest.raises(InvalidSettings, match="the id of a key must match"):
        make_key(key_id)


def test_a_key_is_its_holders_and_no_other_text_is(file: Path) -> None:
    (ann, ann_line), (bob, bob_line) = make_key("ann"), make_key("bob")
    file.write_text(bob_line)
    keys = Keys(ann_line, file)
    assert keys.identify(ann.encode()) == "ann"
    assert keys.identify(bob.encode()) == "bob"
    for other in (b"", ann[:-1].encode(), ann.encode() + b" ", ann_line.encode(), ann_line[4:].encode(), b"\xff" * 10):
        assert keys.identify(other) is None


def test_a_key_is_compared_with_every_stored_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    keys = Keys(",".join(stored(str(i), f"holder{i}") for i in range(5)), None)
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert keys.identify(b"0") == "holder0"
    assert len(set(compared)) == 5


def test_the_environment_separates_entries_by_commas_or_blanks() -> None:
    keys = Keys(
        f" {stored('1', 'a')},{stored('2', 'b')} ,\n{stored('3', 'c')}\t{stored('4', 'd').upper().lower()},", None
    )
    assert [keys.identify(str(i).encode()) for i in range(1, 5)] == ["a", "b", "c", "d"]


def test_a_file_may_have_comments_blank_lines_and_any_line_ends(file: Path) -> None:
    digest = hashlib.sha256(b"2").hexdigest().upper()
    file.write_bytes(f"# {'é'} of 2026\r\n\r\n  {stored('1', 'a')}  \r\n#x:y\nb:{digest}".encode("latin-1"))
    keys = Keys(None, file)
    assert (keys.identify(b"1"), keys.identify(b"2")) == ("a", "b")


SECRET = "litet_this-was-meant-to-be-hashed"


@pytest.mark.parametrize(
    "bad",
    [SECRET, f"ann:{SECRET}", stored(SECRET)[:-1], stored(SECRET) + "0", stored(SECRET, "Ann"), f"{stored(SECRET)} #"],
)
def test_what_is_no_entry_is_named_by_its_place_and_never_shown(file: Path, bad: str) -> None:
    file.write_text(f"# keys\n{stored('1', 'a')}\n{bad}\n")
    with pytest.raises(InvalidSettings) as caught:
        Keys(None, file)
    assert str(caught.value).startswith("LITET_ADMIN_KEYS_FILE must hold <id>:<64 hex digits>")
    assert str(caught.value).endswith("line 3")
    assert SECRET not in str(caught.value)
    with pytest.raises(InvalidSettings, match=r"^LITET_ADMIN_KEYS must .* entry 2$") as caught:
        Keys(f"{stored('1', 'a')},{bad.replace(' ', '')}", None)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("again", [stored("2", "a"), stored("1", "b")], ids=["id", "key"])
def test_an_id_or_a_key_is_there_once(file: Path, again: str) -> None:
    first = stored("1", "a")
    file.write_text(f"{first}\n{again}\n")
    with pytest.raises(InvalidSettings, match=r"LITET_ADMIN_KEYS_FILE must hold each id and key once, .* line 2"):
        Keys(None, file)
    with pytest.raises(InvalidSettings, match=r"LITET_ADMIN_KEYS must hold each id and key once, .* entry 2"):
        Keys(f"{first},{again}", None)
    file.write_text(again)
    with pytest.raises(InvalidSettings, match=r"LITET_ADMIN_KEYS_FILE must hold each id and key once, .* line 1"):
        Keys(first, file)


def test_a_file_must_be_readable_at_the_start(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InvalidSettings, match="LITET_ADMIN_KEYS_FILE must be readable"):
            Keys(None, path)


def test_what_is_printed_of_keys_is_their_ids() -> None:
    assert repr(Keys(f"{stored('1', 'a')},{stored('2', 'b')}", None)) == "Keys(a, b)"


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)


def rename_over(file: Path, text: str) -> None:
    aside = file.with_name("aside")
    aside.write_text(text)
    aside.replace(file)


@pytest.mark.parametrize("change", [rewrite, rename_over])
def test_a_changed_file_counts_within_a_second(file: Path, clock: Clock, change: Callable[[Path, str], None]) -> None:
    file.write_text(stored("old"))
    os.utime(file, (1, 1))
    keys = Keys(stored("env", "env"), file, clock)
    change(file, stored("new"))
    clock.now += 0.9
    assert keys.identify(b"new") is None
    assert keys.identify(b"old") == "ann"
    clock.now += 0.1
    assert keys.identify(b"new") == "ann"
    assert keys.identify(b"old") is None
    assert keys.identify(b"env") == "env"


def test_a_mounted_secret_is_followed_through_its_links(tmp_path: Path, clock: Clock) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_text(stored(name))
    (tmp_path / "now").symlink_to("one")
    keys = Keys(None, tmp_path / "now" / "keys", clock)
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "now")
    clock.now += 1
    assert (keys.identify(b"one"), keys.identify(b"two")) == (None, "ann")


def test_an_unchanged_file_is_not_read_again(file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(stored("1"))
    keys = Keys(None, file, clock)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file was read"))
    for _ in range(3):
        clock.now += 1
        assert keys.identify(b"1") == "ann"


def test_an_emptied_file_takes_its_keys_away(file: Path, clock: Clock) -> None:
    file.write_text(stored("1"))
    keys = Keys(None, file, clock)
    file.write_text("# nobody\n")
    clock.now += 1
    assert keys.identify(b"1") is None


def test_a_file_that_cannot_be_read_for_a_while_is_tried_again(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise OSError(errno.EMFILE, "too many open files")

    file.write_text(stored("old"))
    keys = Keys(None, file, clock)
    file.write_text(stored("new key"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        clock.now += 1
        assert keys.identify(b"old") == "ann"
    clock.now += 1
    assert (keys.identify(b"old"), keys.identify(b"new key")) == (None, "ann")


def spoil(file: Path) -> None:
    file.write_text(f"{stored('new')}\n{SECRET}\n")


def remove(file: Path) -> None:
    file.unlink()


def make_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [spoil, remove, make_a_folder])
def test_a_damaged_file_leaves_the_keys_from_before_and_a_line_in_the_log(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    file.write_text(stored("old"))
    keys = Keys(None, file, clock)
    damage(file)
    clock.now += 1
    assert (keys.identify(b"old"), keys.identify(b"new")) == ("ann", None)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert SECRET not in str(vars(record))
    assert record.exc_info is None
    if damage is not make_a_folder:  # that one may be a disk's fault, and is tried again
        clock.now += 1
        keys.identify(b"old")
        assert len(caplog.records) == 1
    if file.is_dir():
        file.rmdir()
    rename_over(file, stored("mended"))
    clock.now += 1
    assert (keys.identify(b"old"), keys.identify(b"mended")) == (None, "ann")
