"""Versions are listed, promoted and rolled back; each act is in the audit log, or is not done."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from contract.errors import Superseded
from contract.publishing import Publisher

ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


def serving(admin: Any) -> int:
    admin.poll()
    return int(admin.client.post("/predict", json=ROWS).json()["version"])


def test_versions_are_listed_with_what_is_known_of_them(admin: Any, publisher: Publisher, foundry: Any) -> None:
    job_id = admin.order("refuse publish succeed")
    admin.wait(job_id)
    foundry.publish(publisher, seed=1, promote=False)
    (publisher.root / "iris" / "3" / "card.json").write_text("{")
    answer = admin.get("/models/iris/versions")
    assert answer.status_code == 200
    assert (answer.json()["model"], answer.json()["current"]) == ("iris", 1)
    first, second, third = answer.json()["versions"]
    assert (first["version"], first["current"], first["job"], first["gate"]) == (1, True, None, None)
    assert first["metrics"] == {"accuracy": 0.9, "balanced_accuracy": 0.9, "log_loss": 0.2, "ece": 0.05}
    assert (second["version"], second["current"], second["job"]) == (2, False, job_id)
    assert second["requested_by"] == "ops"
    assert second["gate"]["passed"] is False
    assert second["sha256"] == publisher.card("iris", 2).model_file.sha256
    assert (third["version"], third["metrics"]) == (3, None)
    assert "readable" in third["error"]


def test_a_model_without_versions_is_not_found(admin: Any) -> None:
    assert admin.get("/models/none/versions").status_code == 404
    assert admin.get("/models/None/versions").status_code == 422
    assert admin.post("/models/none/rollback").status_code == 404
    assert admin.post("/models/none/versions/1/promote").status_code == 404
    assert admin.post("/models/iris/versions/2/promote").status_code == 404
    assert admin.post("/models/iris/versions/0/promote").status_code == 404


def test_a_version_is_promoted_and_rolled_back(admin: Any, publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher, seed=1, promote=False)
    answer = admin.post("/models/iris/versions/2/promote")
    assert answer.status_code == 200, answer.text
    sha256 = publisher.card("iris", 2).model_file.sha256
    assert answer.json() == {"name": "iris", "version": 2, "sha256": sha256, "sequence": 2, "previous": [1]}
    assert serving(admin) == 2
    answer = admin.post("/models/iris/rollback")
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert serving(admin) == 1
    assert admin.audit() == [("ops", "model.promote", "iris/2"), ("ops", "model.roll_back", "iris/2")]


def test_a_rollback_needs_an_earlier_version(admin: Any) -> None:
    answer = admin.post("/models/iris/rollback")
    assert answer.status_code == 404
    assert "got none before iris/1" in answer.json()["detail"]
    assert admin.audit() == []


@pytest.mark.parametrize("content", [b"no model", b""])
def test_a_version_that_cannot_be_loaded_is_not_promoted(
    admin: Any, publisher: Publisher, foundry: Any, content: bytes
) -> None:
    foundry.publish(publisher, seed=1, model=content, promote=False)
    answer = admin.post("/models/iris/versions/2/promote")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:litet:problem:unusable-artifact"
    assert publisher.current("iris").version == 1
    assert admin.audit() == []
    assert serving(admin) == 1


@pytest.mark.parametrize("act", ["versions/1/promote", "rollback"])
def test_an_act_without_an_audit_entry_is_not_done(
    admin: Any, publisher: Publisher, foundry: Any, state: Path, act: str
) -> None:
    foundry.publish(publisher, seed=1)
    (state / "audit.jsonl").mkdir()
    answer = admin.post(f"/models/iris/{act}")
    assert answer.status_code == 507
    assert str(state) not in answer.text
    assert publisher.current("iris").version == 2


@pytest.mark.parametrize(("act", "action"), [("versions/1/promote", "model.promote"), ("rollback", "model.roll_back")])
def test_an_act_that_fails_once_it_is_recorded_is_recorded_as_failed(
    admin: Any, publisher: Publisher, foundry: Any, monkeypatch: pytest.MonkeyPatch, act: str, action: str
) -> None:
    foundry.publish(publisher, seed=1)

    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("contract.publishing.Publisher._point", full)
        answer = admin.post(f"/models/iris/{act}")
    assert answer.status_code == 507
    subject = "iris/1" if action == "model.promote" else "iris/2"
    assert admin.audit() == [("ops", action, subject), ("ops", f"{action}.failed", subject)]
    (last,) = admin.get("/audit", params={"limit": 1}).json()["entries"]
    assert last["details"] == {"reason": "No space left on device"}


def test_a_failure_that_cannot_be_recorded_is_still_told(
    admin: Any, publisher: Publisher, foundry: Any, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foundry.publish(publisher, seed=1)

    def overtaken(*_: object) -> None:
        (state / "audit.jsonl").unlink()
        (state / "audit.jsonl").mkdir()
        raise Superseded("somebody else was faster")

    monkeypatch.setattr("contract.publishing.Publisher.roll_back", overtaken)
    answer = admin.post("/models/iris/rollback")
    assert (answer.status_code, answer.json()["detail"]) == (409, "somebody else was faster")


def test_the_audit_log_is_shown_newest_first_page_by_page(admin: Any) -> None:
    for note in ("fail", "fail", "fail"):
        admin.wait(admin.order(note))
    log = admin.get("/audit", params={"limit": 2}).json()
    assert log["chain"] is None
    assert [entry["sequence"] for entry in log["entries"]] == [6, 5]
    assert [entry["actor"] for entry in log["entries"]] == ["litet", "ops"]
    log = admin.get("/audit", params={"limit": 3, "before": 5}).json()
    assert [entry["sequence"] for entry in log["entries"]] == [4, 3, 2]
    assert admin.get("/audit", params={"before": 1}).json()["entries"] == []
    assert admin.get("/audit", params={"before": 0}).status_code == 400


def test_the_audit_log_says_where_it_is_broken_if_asked_to(admin: Any, state: Path) -> None:
    admin.wait(admin.order("fail"))
    log = admin.get("/audit", params={"verify": True}).json()
    assert log["chain"] == {"intact": True, "broken_at": None, "reason": None, "n_entries": 2}
    path = state / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"actor":"ops"', b'"actor":"eve"', 1))
    chain = admin.get("/audit", params={"verify": True}).json()["chain"]
    assert (chain["intact"], chain["broken_at"], chain["n_entries"]) == (False, 1, 0)
    assert chain["reason"]


def test_the_wrong_key_gets_nowhere(admin: Any) -> None:
    admin.headers = {"Authorization": "Bearer litet_wrong"}
    for path in ("/audit", "/jobs", "/datasets", "/models/iris/versions"):
        assert admin.get(path).status_code == 401
    assert admin.put("/datasets/x", b"a\n").status_code == 401
    assert admin.retrain().status_code == 401


def test_a_version_that_was_deleted_cannot_be_rolled_back_to(admin: Any, publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher, seed=1)
    shutil.rmtree(publisher.root / "iris" / "1")
    assert admin.post("/models/iris/rollback").status_code == 404
    assert publisher.current("iris").version == 2
    assert admin.audit() == []
