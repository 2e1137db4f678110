"""Apps with an admin plane, and a trainer that does what it is told."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from contract.publishing import Publisher
from service.admin import job_events
from service.admin.keys import make_key
from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[3]
FAKE = Path(__file__).with_name("fake_trainer.py")
PATIENCE_S = 30
KEY, LINE = make_key("ops")
CSV = b"sepal_length,sepal_width,petal_length,petal_width,species\n5.1,3.5,1.4,0.2,setosa\n7,3.2,4.7,1.4,versicolor\n"

TRAINER = """#!{python}
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {folder!r}]
import fake_trainer
fake_trainer.main(Path({theatre!r}))
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.01)


class Theatre:
    """Where tests and fake trainers meet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.trainer = folder / "trainer"
        self.trainer.write_text(
            TRAINER.format(python=sys.executable, root=str(ROOT), folder=str(FAKE.parent), theatre=str(folder))
        )
        self.trainer.chmod(0o755)

    def place(self, name: str, model: str = "iris") -> None:
        """Make the FIFOs of a place that a trainer will hold at."""
        for suffix in ("reached", "go"):
            path = self.folder / f"{model}.{name}.{suffix}"
            if not path.exists():
                os.mkfifo(path)

    def reached(self, name: str, model: str = "iris") -> None:
        """Return once the trainer is there."""
        (self.folder / f"{model}.{name}.reached").read_bytes()

    def go(self, name: str, model: str = "iris") -> None:
        """Let it go on."""
        (self.folder / f"{model}.{name}.go").open("wb").close()

    def seen(self) -> dict[str, Any]:
        """What a trainer has noted down."""
        seen: dict[str, Any] = msgspec.json.decode((self.folder / "seen.json").read_bytes())
        return seen

    def inspections(self) -> int:
        path = self.folder / "inspections"
        return len(path.read_text().splitlines()) if path.exists() else 0


class Admin:
    """One worker, seen by a holder of its key."""

    def __init__(self, client: TestClient[Litestar], close: Callable[[], None]) -> None:
        self.client = client
        self.close = close
        self.headers = {"Authorization": f"Bearer {KEY}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(f"/admin{path}", headers=self.headers | options.pop("headers", {}), **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.client.post(f"/admin{path}", headers=self.headers | options.pop("headers", {}), **options)

    def put(self, path: str, content: Any, content_type: str = "text/csv", **headers: str) -> httpx.Response:
        headers = {**self.headers, "Content-Type": content_type, **headers}
        return self.client.put(f"/admin{path}", content=content, headers=headers)

    def retrain(self, note: str = "publish succeed", model: str = "iris", **body: Any) -> httpx.Response:
        headers = body.pop("headers", {})
        body = {"dataset": "iris", "note": note, **body}
        return self.post(f"/models/{model}/retrain", json=body, headers=headers)

    def order(self, note: str = "publish succeed", model: str = "iris", **body: Any) -> str:
        """The id of a new job."""
        answer = self.retrain(note, model, **body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def wait(self, job_id: str) -> dict[str, Any]:
        """The job, once it is over."""
        wait_until(lambda: self.job(job_id)["state"] not in {"queued", "running"})
        return self.job(job_id)

    def jobs(self, **parameters: Any) -> list[dict[str, Any]]:
        answer = self.get("/jobs", params=parameters)
        assert answer.status_code == 200, answer.text
        jobs: list[dict[str, Any]] = answer.json()["jobs"]
        return jobs

    def audit(self) -> list[tuple[str, str, str]]:
        """Actor, action and subject of each entry, oldest first."""
        log = self.get("/audit", params={"verify": True}).json()
        assert log["chain"]["intact"], log
        return [(entry["actor"], entry["action"], entry["subject"]) for entry in reversed(log["entries"])]

    def poll(self) -> None:
        """Look for promoted versions."""
        assert self.client.blocking_portal
        self.client.blocking_portal.call(self.client.app.state.watcher.poll)

    def metric(self, line: str) -> float:
        found = [text for text in self.client.get("/metrics").text.splitlines() if text.startswith(line)]
        return float(found[0].split()[-1]) if found else 0.0


Open = Callable[..., Admin]


@pytest.fixture
def theatre(tmp_path: Path, foundry: Any) -> Theatre:
    theatre = Theatre(tmp_path / "theatre")
    schema = foundry.numeric()
    (theatre.folder / "model.onnx").write_bytes(foundry.model(schema, 3))
    (theatre.folder / "report.json").write_bytes(msgspec.json.encode(foundry.report(schema, foundry.probe(schema, 3))))
    return theatre


@pytest.fixture
def state(publisher: Publisher) -> Path:
    return publisher.root / ".litet"


@pytest.fixture
def open_admin(publisher: Publisher, theatre: Theatre, foundry: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Starts workers on one folder, which serves iris/1. Trainers end with them."""
    monkeypatch.setattr(job_events, "POLL_S", 0.01)
    foundry.publish(publisher)
    with contextlib.ExitStack() as cleanup:

        def open_one(lifeline_path: Path | None = None, **overrides: Any) -> Admin:
            wanted = {"admin_keys": LINE, "trainer_python": theatre.trainer, "default_model": "iris", **overrides}
            settings = Settings.from_env({}, models=publisher.root, poll_interval_s=3600.0, **wanted)
            stack = cleanup.enter_context(contextlib.ExitStack())
            client = stack.enter_context(TestClient(create_app(settings, None, lifeline_path)))
            return Admin(client, stack.close)

        yield open_one


@pytest.fixture
def admin(open_admin: Open) -> Admin:
    return open_admin()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
