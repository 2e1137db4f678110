"""Real workers and trainers: however a service dies, its trainers die with it, and what replaces it goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from contract.job import PROCESS_FILE, Process
from contract.publishing import Publisher
from tests.service.admin.conftest import KEY, LINE
from tests.service.test_server import PATIENCE_S, Server, connect, is_running, running

HEADERS = {"Authorization": f"Bearer {KEY}"}


def order(server: Server, note: str) -> str:
    answer = httpx.post(
        f"{server.url}/admin/retrain", json={"dataset": "iris", "note": note}, headers=HEADERS, timeout=PATIENCE_S
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(server: Server, job_id: str) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/admin/jobs/{job_id}", headers=HEADERS, timeout=PATIENCE_S)
    job: dict[str, Any] = answer.json()
    return job


def trainer(publisher: Publisher, job_id: str) -> int:
    content = (publisher.root / ".litet" / "jobs" / job_id / PROCESS_FILE).read_bytes()
    return msgspec.json.decode(content, type=Process).pid


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_service_takes_its_trainers_along_and_the_next_one_says_so(
    publisher: Publisher, foundry: Any, theatre: Any, workers: int
) -> None:
    foundry.publish(publisher)
    theatre.place("here")
    options = {"workers": workers, "admin_keys": LINE, "trainer_python": theatre.trainer}
    with running(publisher, **options) as server:
        job_id = order(server, "hold:here publish succeed")
        theatre.reached("here")
        pid = trainer(publisher, job_id)
        server.process.kill()
        server.wait_until(lambda: not is_running(pid))
    with running(publisher, **options) as server:
        server.wait_until(lambda: job(server, job_id)["state"] == "failed")
        assert job(server, job_id)["error"] == "the service stopped"
        again = order(server, "publish succeed")
        server.wait_until(lambda: job(server, again)["state"] == "succeeded")
        server.wait_until(lambda: server.predict() == 2)
    assert publisher.versions("iris") == [1, 2]


def test_a_trainer_outlives_the_worker_that_started_it(publisher: Publisher, foundry: Any, theatre: Any) -> None:
    foundry.publish(publisher)
    theatre.place("here")
    with running(publisher, workers=2, admin_keys=LINE, trainer_python=theatre.trainer) as server:
        job_id = order(server, "hold:here publish succeed")
        theatre.reached("here")
        stat = Path(f"/proc/{trainer(publisher, job_id)}/stat").read_text()
        worker = int(stat.rpartition(")")[2].split()[1])
        assert worker in server.worker_pids(2)
        os.kill(worker, signal.SIGKILL)
        server.wait_until(lambda: not is_running(worker))
        theatre.go("here")
        server.wait_until(lambda: job(server, job_id)["state"] == "succeeded")


def test_a_service_stops_while_somebody_follows_a_job(publisher: Publisher, foundry: Any, theatre: Any) -> None:
    foundry.publish(publisher)
    theatre.place("here")
    with running(publisher, admin_keys=LINE, trainer_python=theatre.trainer) as server:
        job_id = order(server, "stage:reading hold:here fail")
        theatre.reached("here")
        pid = trainer(publisher, job_id)
        url = f"{server.url}/admin/jobs/{job_id}/events"
        with httpx.stream("GET", url, headers=HEADERS, timeout=PATIENCE_S) as answer:
            pieces = answer.iter_text()
            text = next(pieces)
            while "event: stage" not in text:
                text += next(pieces)
            server.process.terminate()
            "".join(pieces)
        assert server.exit_code() == 0
        server.wait_until(lambda: not is_running(pid))


def test_an_upload_whose_client_hangs_up_leaves_nothing(publisher: Publisher, foundry: Any, theatre: Any) -> None:
    foundry.publish(publisher)
    folder = publisher.root / ".litet" / "datasets"
    with running(publisher, admin_keys=LINE, trainer_python=theatre.trainer) as server:
        with connect(server.url) as connection:
            connection.sendall(
                f"PUT /admin/datasets/flowers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
                "Content-Type: text/csv\r\nContent-Length: 1000\r\n\r\na,b\n".encode()
            )
            server.wait_until(lambda: any(folder.glob(".staging-*")))
        server.wait_until(lambda: not any(folder.glob(".staging-*")))
        assert not (folder / "flowers").exists()
