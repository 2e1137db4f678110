"""Tables are taken in whole or not at all, keep their bytes and versions, and never leave half of one behind."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.errors import CorruptArtifact, InvalidData, NotFound
from contract.staging import STAGING_PREFIX
from service.admin import inspection
from service.admin.datasets import Column, Dataset, Datasets, TableFacts
from service.admin.inspection import inspect_table
from service.errors import BodyTooLarge, MalformedBody

CSV = b"a,b\n1,x\n2,y\n"
OTHER = b"a,b,c\n1,x,z\n"
PATIENCE_S = 30
SHA256 = hashlib.sha256(CSV).hexdigest()


def leftovers(state: Path) -> list[str]:
    """Everything below the datasets but whole versions."""
    folder = state / "datasets"
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if STAGING_PREFIX in str(path)]


def test_an_upload_says_what_the_table_holds_and_keeps_its_bytes(admin: Any, state: Path) -> None:
    answer = admin.put("/datasets/flowers", CSV)
    assert answer.status_code == 201, answer.text
    created_at = answer.json()["created_at"]
    assert answer.json() == {
        "name": "flowers",
        "version": SHA256,
        "format": ".csv",
        "size_bytes": len(CSV),
        "n_rows": 2,
        "n_columns": 2,
        "columns": [{"name": "a", "dtype": "String"}, {"name": "b", "dtype": "String"}],
        "warnings": [],
        "created_at": created_at,
    }
    assert (state / "datasets" / "flowers" / SHA256 / "table.csv").read_bytes() == CSV
    assert leftovers(state) == []
    assert admin.audit() == [("ops", "dataset.upload", "flowers")]


def test_the_same_bytes_again_are_no_new_version(admin: Any, theatre: Any) -> None:
    first = admin.put("/datasets/flowers", CSV).json()
    answer = admin.put("/datasets/flowers", CSV)
    assert (answer.status_code, answer.json()) == (200, first)
    assert theatre.inspections() == 1


def test_the_version_uploaded_last_is_the_latest_even_if_it_is_an_old_one(admin: Any) -> None:
    versions = [admin.put("/datasets/flowers", content).json()["version"] for content in (CSV, OTHER)]
    (listed,) = admin.get("/datasets").json()["datasets"]
    assert [one["version"] for one in listed["versions"]] == versions
    assert (listed["name"], listed["latest"]) == ("flowers", versions[1])
    admin.put("/datasets/flowers", CSV)
    (listed,) = admin.get("/datasets").json()["datasets"]
    assert listed["latest"] == versions[0]


def test_no_dataset_at_all_is_an_empty_list(admin: Any) -> None:
    assert admin.get("/datasets").json() == {"datasets": []}


def test_what_else_lies_in_the_folder_is_no_dataset(admin: Any, state: Path) -> None:
    admin.put("/datasets/flowers", CSV)
    (state / "datasets" / "lost+found").mkdir()
    (state / "datasets" / "empty").mkdir()
    (state / "datasets" / "file").touch()
    assert [one["name"] for one in admin.get("/datasets").json()["datasets"]] == ["flowers"]


def test_a_table_may_come_in_pieces_and_be_larger_than_a_request(open_admin: Any) -> None:
    admin = open_admin(max_body_bytes=1000)
    rows = [b"1,x\n"] * 1000

    def pieces() -> Iterator[bytes]:
        yield b"a,b\n"
        yield from rows

    answer = admin.put("/datasets/flowers", pieces())
    assert (answer.status_code, answer.json()["n_rows"]) == (201, 1000)


def test_where_the_latest_version_was_deleted_the_newest_left_is(admin: Any, state: Path) -> None:
    kept, deleted = (admin.put("/datasets/flowers", content).json()["version"] for content in (CSV, OTHER))
    shutil.rmtree(state / "datasets" / "flowers" / deleted)
    assert admin.get("/datasets").json()["datasets"][0]["latest"] == kept


def test_a_table_that_is_announced_as_too_large_is_not_waited_for(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "datasets", facts, max_bytes=100)

    async def blocks() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    with pytest.raises(BodyTooLarge, match="at most 100 bytes, got 101 announced"):
        asyncio.run(datasets.receive("flowers", ".csv", blocks(), lambda _dataset, _is_new: None, declared=101))


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_table_beyond_the_limit_leaves_nothing(open_admin: Any, state: Path, in_pieces: bool) -> None:
    admin = open_admin(max_dataset_bytes=100)
    content = b"a,b\n" + b"1,x\n" * 25
    answer = admin.put("/datasets/flowers", iter([content[:50], content[50:]]) if in_pieces else content)
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("a dataset must have at most 100 bytes")
    assert leftovers(state) == []
    assert admin.get("/datasets").json() == {"datasets": []}
    assert admin.put("/datasets/flowers", content[:100]).status_code == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/datasets/iris", 409),
        ("/datasets/Flowers", 422),
        ("/datasets/.hidden", 422),
        ("/datasets/%2e%2e", 422),
        ("/datasets/..%2f..%2fetc", 404),
        ("/datasets/a%00b", 422),
        ("/datasets/" + "a" * 65, 422),
        ("/datasets/-", 422),
        ("/datasets/ä", 422),
    ],
)
def test_a_name_that_is_none_is_refused(admin: Any, state: Path, path: str, status: int) -> None:
    assert admin.put(path, CSV).status_code == status
    assert not list(state.rglob("table.*"))


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "application/octet-stream"])
def test_another_content_type_is_refused(admin: Any, content_type: str) -> None:
    answer = admin.put("/datasets/flowers", CSV, content_type)
    assert answer.status_code == 415
    assert "text/csv" in answer.json()["detail"]


def test_an_encoded_body_is_refused(admin: Any) -> None:
    assert admin.put("/datasets/flowers", CSV, **{"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("content_type", "suffix"),
    [
        ("text/csv; charset=utf-8", ".csv"),
        ("text/tab-separated-values", ".tsv"),
        ("application/vnd.apache.parquet", ".parquet"),
        ("application/vnd.apache.arrow.file", ".arrow"),
        ("Application/vnd.apache.arrow.STREAM", ".arrow"),
    ],
)
def test_the_content_type_names_the_format(admin: Any, content_type: str, suffix: str) -> None:
    assert admin.put("/datasets/flowers", CSV, content_type).json()["format"] == suffix


def test_an_empty_body_is_refused(admin: Any, state: Path) -> None:
    answer = admin.put("/datasets/flowers", b"")
    assert answer.status_code == 400
    assert leftovers(state) == []


def test_what_is_no_table_is_refused_without_a_path_of_ours(admin: Any, state: Path) -> None:
    answer = admin.put("/datasets/flowers", b"?\n")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "a table must be readable, got the body"
    assert leftovers(state) == []
    assert admin.audit() == []


def test_a_trainer_that_cannot_read_tables_is_said_to_be_the_cause(admin: Any, state: Path) -> None:
    answer = admin.put("/datasets/flowers", b"!\n")
    assert answer.status_code == 503
    assert "No module named 'polars'" in answer.json()["detail"]
    assert leftovers(state) == []


def test_a_trainer_that_is_not_there_is_said_to_be_the_cause(open_admin: Any, tmp_path: Path) -> None:
    answer = open_admin(trainer_python=tmp_path / "absent").put("/datasets/flowers", CSV)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:litet:problem:trainer-unavailable"


def test_two_uploads_of_the_same_bytes_at_once_are_one_version(open_admin: Any, state: Path) -> None:
    workers = [open_admin(), open_admin()]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: workers[number % 2].put("/datasets/flowers", CSV), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    (listed,) = workers[0].get("/datasets").json()["datasets"]
    assert [one["version"] for one in listed["versions"]] == [SHA256]
    assert leftovers(state) == []


def test_a_full_disk_is_a_problem_of_its_own_and_leaves_nothing(
    admin: Any, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(state))

    with monkeypatch.context() as patch:
        patch.setattr("service.admin.receiving.os.fsync", full)
        answer = admin.put("/datasets/flowers", CSV)
    assert answer.status_code == 507
    assert answer.json()["type"] == "urn:litet:problem:storage-failed"
    assert "No space left on device" in answer.json()["detail"]
    assert str(state) not in answer.text
    assert leftovers(state) == []
    assert admin.put("/datasets/flowers", CSV).status_code == 201


def test_an_upload_without_an_audit_entry_is_none(admin: Any, state: Path) -> None:
    (state / "audit.jsonl").mkdir()
    assert admin.put("/datasets/flowers", CSV).status_code == 507
    assert admin.get("/datasets").json() == {"datasets": []}
    assert leftovers(state) == []


def test_what_a_killed_upload_left_is_swept_up_by_the_next(admin: Any, state: Path) -> None:
    left = state / "datasets" / f"{STAGING_PREFIX}dead"
    left.mkdir(parents=True)
    (left / "table.csv").write_bytes(CSV)
    admin.put("/datasets/flowers", CSV)
    assert leftovers(state) == []


async def facts(_path: Path) -> TableFacts:
    return TableFacts(n_rows=1, n_columns=1, columns=(Column(name="a", dtype="numeric"),), warnings=())


async def upload(datasets: Datasets, content: bytes) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield content

    await datasets.receive("flowers", ".csv", blocks(), lambda _dataset, _is_new: None)


def test_an_upload_whose_client_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "datasets", facts, max_bytes=100)

    async def blocks() -> AsyncIterator[bytes]:
        yield b"a\n"
        raise MalformedBody("a body must be sent to its end")

    with pytest.raises(MalformedBody):
        asyncio.run(datasets.receive("flowers", ".csv", blocks(), lambda _dataset, _is_new: None))
    assert leftovers(tmp_path) == []
    assert datasets.by_name() == {}


def test_a_version_is_found_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "datasets", facts, max_bytes=100)

    for content in (OTHER, CSV):
        asyncio.run(upload(datasets, content))
    for version in (None, SHA256, SHA256[:8]):
        found, path = datasets.find("flowers", version)
        assert found.version == SHA256
        assert path.read_bytes() == CSV
    for name, version in (("flowers", SHA256[:7]), ("flowers", "0" * 64), ("flowers", ""), ("trees", None)):
        with pytest.raises(NotFound, match=r"\(flowers, iris, wine, breast_cancer, digits\)"):
            datasets.find(name, version)


def test_bytes_that_come_again_as_another_format_are_read_anew(admin: Any, theatre: Any, state: Path) -> None:
    """A wrong Content-Type can be corrected; whoever was given the file under its old name still finds it."""
    wrong = admin.put("/datasets/flowers", CSV, "text/tab-separated-values").json()
    answer = admin.put("/datasets/flowers", CSV)
    assert (answer.status_code, answer.json()["format"], answer.json()["version"]) == (200, ".csv", SHA256)
    assert theatre.inspections() == 2
    (listed,) = admin.get("/datasets").json()["datasets"]
    assert listed == {"name": "flowers", "latest": SHA256, "versions": [answer.json()]}
    folder = state / "datasets" / "flowers" / SHA256
    assert (folder / f"table{wrong['format']}").read_bytes() == (folder / "table.csv").read_bytes() == CSV
    assert leftovers(state) == []
    assert admin.put("/datasets/flowers", CSV).json() == answer.json()
    assert theatre.inspections() == 2


@pytest.mark.parametrize(
    "damage",
    [b"{", b"\xff", b"[" * 100_000, b'{"name": "trees"}', None],
    ids=["cut", "no text", "deep", "short", "folder"],
)
def test_a_damaged_version_is_no_trouble_of_the_others(
    admin: Any, state: Path, caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    first = admin.put("/datasets/flowers", OTHER).json()
    second = admin.put("/datasets/flowers", CSV).json()
    path = state / "datasets" / "flowers" / SHA256 / "facts.json"
    path.unlink()
    path.mkdir() if damage is None else path.write_bytes(damage)
    (listed,) = admin.get("/datasets").json()["datasets"]
    assert listed["versions"] == [first]
    assert f"flowers/{SHA256}" in str([vars(record) for record in caplog.records])
    assert admin.retrain(dataset="flowers", dataset_version=first["version"], target="a").status_code == 202
    assert admin.retrain(dataset="trees").status_code == 404
    answer = admin.retrain(dataset="flowers")
    assert (answer.status_code, str(state) in answer.text) == (503, False)
    if damage is not None:
        answer = admin.put("/datasets/flowers", CSV)
        assert (answer.status_code, answer.json() | {"created_at": ""}) == (200, second | {"created_at": ""})
        assert len(admin.get("/datasets").json()["datasets"][0]["versions"]) == 2


def test_a_damaged_version_is_an_error_where_it_is_asked_for(tmp_path: Path) -> None:
    datasets = Datasets(tmp_path / "datasets", facts, max_bytes=100)
    asyncio.run(upload(datasets, CSV))
    path = tmp_path / "datasets" / "flowers" / SHA256 / "facts.json"
    path.write_bytes(path.read_bytes().replace(b"flowers", b"trees"))
    for version in (None, SHA256[:8]):
        with pytest.raises(CorruptArtifact, match=rf"flowers/{SHA256} must name it, got trees/{SHA256}"):
            datasets.find("flowers", version)


def test_versions_that_were_deleted_are_not_missed(admin: Any, state: Path) -> None:
    admin.put("/datasets/flowers", CSV)
    other = admin.put("/datasets/flowers", OTHER).json()
    folder = state / "datasets" / "flowers"
    shutil.rmtree(folder / other["version"])
    (listed,) = admin.get("/datasets").json()["datasets"]
    assert [one["version"] for one in listed["versions"]] == [SHA256]
    assert admin.retrain(dataset="flowers").status_code == 422  # found, but without the target
    assert admin.retrain(dataset="flowers", dataset_version=other["version"]).status_code == 404
    assert admin.put("/datasets/flowers", OTHER).status_code == 201
    (folder / "latest").write_bytes(b"\xff")
    assert admin.retrain(dataset="flowers").status_code == 422
    shutil.rmtree(folder)
    assert admin.get("/datasets").json() == {"datasets": []}


def test_a_version_that_is_deleted_while_its_bytes_come_again_is_there_afterwards(tmp_path: Path) -> None:
    async def facts_at_a_bad_moment(path: Path) -> TableFacts:
        shutil.rmtree(tmp_path / "datasets" / "flowers" / SHA256)
        return await facts(path)

    folder = tmp_path / "datasets"
    asyncio.run(upload(Datasets(folder, facts, max_bytes=100), CSV))

    async def run() -> None:
        datasets = Datasets(folder, facts_at_a_bad_moment, max_bytes=100)

        async def blocks() -> AsyncIterator[bytes]:
            yield CSV

        _, is_new = await datasets.receive("flowers", ".tsv", blocks(), lambda _dataset, _is_new: None)
        assert is_new
        assert datasets.find("flowers", None)[1].read_bytes() == CSV

    asyncio.run(run())


def test_a_cancelled_upload_ends_its_reader_and_only_then_leaves_nothing(tmp_path: Path) -> None:
    held, trainer = tmp_path / "held", tmp_path / "trainer"
    os.mkfifo(held)
    trainer.write_text(f"#!/bin/sh\nexec 3>{held}\nsleep 600\n")
    trainer.chmod(0o755)
    datasets = Datasets(tmp_path / "datasets", partial(inspect_table, str(trainer)), max_bytes=100)

    async def run() -> None:
        uploading = asyncio.create_task(upload(datasets, CSV))
        with await asyncio.to_thread(held.open, "rb") as holders:
            uploading.cancel()
            with pytest.raises(asyncio.CancelledError):
                async with asyncio.timeout(PATIENCE_S):
                    await uploading
            assert await asyncio.to_thread(holders.read) == b""
        assert leftovers(tmp_path) == []
        assert datasets.by_name() == {}

    asyncio.run(run())


def test_a_table_that_takes_too_long_to_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MAX_S", 0.1)
    trainer = tmp_path / "trainer"
    trainer.write_text("#!/bin/sh\nexec sleep 60\n")
    trainer.chmod(0o755)
    datasets = Datasets(tmp_path / "datasets", partial(inspect_table, str(trainer)), max_bytes=100)
    with pytest.raises(InvalidData, match=r"must be readable within 0\.1 s"):
        asyncio.run(upload(datasets, CSV))
    assert leftovers(tmp_path) == []


def test_an_upload_cancelled_while_it_is_accepted_is_accepted_all_the_same(tmp_path: Path) -> None:
    """The folder that is being renamed is not removed under whoever renames it."""
    datasets = Datasets(tmp_path / "datasets", facts, max_bytes=100)
    accepting, go = threading.Event(), threading.Event()

    def witness(_dataset: Dataset, _is_new: bool) -> None:  # what a witness is shown
        accepting.set()
        assert go.wait(PATIENCE_S)

    async def blocks() -> AsyncIterator[bytes]:
        yield CSV

    async def run() -> None:
        uploading = asyncio.create_task(datasets.receive("flowers", ".csv", blocks(), witness))
        await asyncio.to_thread(accepting.wait)
        uploading.cancel()
        await asyncio.sleep(0)
        uploading.cancel()  # as a loop that ends does with what it finds
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await uploading

    asyncio.run(run())
    _, path = datasets.find("flowers", None)
    assert path.read_bytes() == CSV
    assert leftovers(tmp_path) == []
