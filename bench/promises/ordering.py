"""Orders jobs over the API of a running service and waits for their ends."""

from __future__ import annotations

from typing import Any

from bench.promises.models import NAME
from bench.promises.serving import PATIENCE_S, Service, wait_until

QUICK: dict[str, Any] = {"preset": "reference", "config": {"max_epochs": 5}}
"""A job of some seconds, most of which its imports take."""
ENDLESS: dict[str, Any] = {"preset": "default", "config": {"max_epochs": 1_000_000, "patience": None, "batch_size": 16}}
"""A job that never ends by itself: only full batches can converge."""
OVER = ("succeeded", "failed", "cancelled")


def order(
    service: Service, asked: dict[str, Any], model: str = NAME, key: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a request to retrain on iris, unless another dataset is asked for."""
    body = {"dataset": "iris", "data_checks": "warn", "create": True, **asked}
    headers = {"Idempotency-Key": key} if key else {}
    answer = service.client.post(f"/admin/models/{model}/retrain", json=body, headers=headers)
    return answer.status_code, answer.json()


def order_job(service: Service, asked: dict[str, Any], model: str = NAME) -> str:
    """The id of a job that was accepted."""
    status, job = order(service, asked, model)
    if status != 202:
        raise RuntimeError(f"a job must be accepted, got {status}: {job}")
    return str(job["id"])


def look(service: Service, job: str) -> dict[str, Any]:
    """A job as it is now."""
    found: dict[str, Any] = service.client.get(f"/admin/jobs/{job}").json()
    return found


def is_over(service: Service, job: str) -> bool:
    """Whether a job has ended."""
    return look(service, job)["state"] in OVER


def wait_for_end(service: Service, job: str) -> dict[str, Any]:
    """A job once it has ended, or after a long wait."""
    wait_until(lambda: is_over(service, job), PATIENCE_S)
    return look(service, job)


def wait_for_epochs(service: Service, job: str) -> None:
    """Until a job is being fitted."""
    wait_until(lambda: ((look(service, job)["progress"] or {}).get("epoch") or 0) > 0 or is_over(service, job))


def cancel(service: Service, job: str) -> int:
    """Status of the answer to calling a job off."""
    return service.client.post(f"/admin/jobs/{job}/cancel").status_code


def versions(service: Service, model: str = NAME) -> list[int]:
    """The published versions of a model."""
    answer = service.client.get(f"/admin/models/{model}/versions").json()
    return [one["version"] for one in answer.get("versions", [])]
