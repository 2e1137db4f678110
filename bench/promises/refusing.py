"""A bad artifact is refused: by a process that may die of it, by the API, and by a worker that follows a pointer."""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from bench.promises.damage import Damage, damages
from bench.promises.measured import ROOT, Measured
from bench.promises.models import NAME, REQUEST, publish, trained
from bench.promises.serving import SERVE_PYTHON, Service, serving
from contract.card import Card, ModelFile
from contract.model_file import CARD_FILE, MODEL_FILE
from contract.publishing import Publisher
from contract.repository import POINTER_FILE

LOADER = ROOT / "bench" / "promises" / "loading_process.py"
N_WORKERS = 2
LOADED, REFUSED, RAISED, CRASHED = ": loaded", ": refused", ": raised", ": crashed"


def refuse_damaged(folder: Path, *, n_truncations: int, n_flips: int, n_served: int) -> list[Measured]:
    """Load every damaged file in a process of its own; try `n_served` of those refused on a running service."""
    publisher = publish(folder / "models")
    found = list(damages(trained(0)[0], n_truncations=n_truncations, n_flips=n_flips))
    versions = [_publish_damaged(publisher, damage) for damage in found]
    verdicts = _load_each(publisher, versions)
    counts = Counter(
        f"{damage.kind}, {'card fits' if damage.hashed else 'card as it was'}{verdict}"
        for damage, verdict in zip(found, verdicts, strict=True)
    )
    # A file that loads has passed its probe and its invariants: what was flipped changes nothing that anybody sees.
    missed = sum(
        verdict == LOADED and not (damage.kind == "bit flipped" and damage.hashed)
        for damage, verdict in zip(found, verdicts, strict=True)
    )
    harmless = verdicts.count(LOADED) - missed
    figure = (
        f"{len(found) - harmless - missed:,} of {len(found) - harmless:,} refused "
        f"({verdicts.count(CRASHED)} by the loader's death), {harmless} flips harmless"
    )
    refused = [version for version, verdict in zip(versions, verdicts, strict=True) if verdict != LOADED]
    sample = [refused[index] for index in np.linspace(0, len(refused) - 1, n_served).round().astype(int)]
    followed = [version for version in sample if verdicts[versions.index(version)] == REFUSED]
    return [
        Measured("a bad artifact is refused", figure, "100 %", not missed, {"counts": counts}),
        _try_on_service(publisher, sample, followed),
    ]


def _publish_damaged(publisher: Publisher, damage: Damage) -> int:
    card = publisher.publish(NAME, *trained(0))
    folder = publisher.root / NAME / str(card.version)
    (folder / MODEL_FILE).write_bytes(damage.model)
    if damage.hashed:
        (folder / CARD_FILE).write_bytes(_fitting(card, damage.model).encode())
    return card.version


def _load_each(publisher: Publisher, versions: Sequence[int]) -> list[str]:
    """What becomes of each version in a process that starts anew where it dies. That it lives, version 1 proves."""
    verdicts: list[str] = []
    while len(verdicts) < len(versions):
        rest = "".join(f"{version}\n" for version in (1, *versions[len(verdicts) :]))
        command = [SERVE_PYTHON, "-P", str(LOADER), str(publisher.root), NAME]
        done = subprocess.run(command, input=rest, capture_output=True, text=True, check=False)
        sound, *answers = [line for line in done.stdout.splitlines() if line.startswith(": ")] or [done.stderr]
        if sound != LOADED:
            raise RuntimeError(f"version 1 must load, got {sound}")
        verdicts += answers
        if done.returncode:
            verdicts.append(CRASHED if done.returncode < 0 else RAISED)
    return verdicts


def _try_on_service(publisher: Publisher, versions: Sequence[int], followed: Sequence[int]) -> Measured:
    """Promote each through the API; and those `followed` by the pointer, as a person with a shell could."""
    with serving(publisher.root, workers=N_WORKERS, poll_interval_s=0.1) as service:
        service.worker_pids(N_WORKERS)
        taken = [version for version in versions if _promote(service, version)]
        n_pointed = 0
        for version in followed:
            _point(publisher, version)
            n_pointed += 1
            service.wait_for(lambda line: line["message"] == "the current version was refused", n_pointed * N_WORKERS)
        served = {_version(service) for _ in range(20)}
        n_died = sum(line["message"] == "models loaded" for line in service.lines) - N_WORKERS
    ok = not taken and served == {1} and not n_died
    figure = f"{len(versions) - len(taken)} of {len(versions)} by API, {n_pointed} by pointer, {n_died} workers died"
    raw = {"taken": taken, "served": sorted(served), "pointed": n_pointed, "workers_died": n_died}
    return Measured("the version before goes on", figure, "all refused, none died", ok, raw)


def _promote(service: Service, version: int) -> bool:
    return service.client.post(f"/admin/models/{NAME}/versions/{version}/promote").status_code == 200


def _point(publisher: Publisher, version: int) -> None:
    """Write the pointer to a damaged version by hand."""
    pointer = publisher.current(NAME)
    card = publisher.card(NAME, version)
    changed = msgspec.structs.replace(
        pointer, version=version, sha256=card.model_file.sha256, sequence=pointer.sequence + 1, previous=(1,)
    )
    aside = publisher.root / NAME / ".pointer"
    aside.write_bytes(msgspec.json.encode(changed))
    aside.replace(publisher.root / NAME / POINTER_FILE)


def _version(service: Service) -> int:
    answer = service.client.post(
        f"/models/{NAME}/predict", content=REQUEST, headers={"Content-Type": "application/json", "Connection": "close"}
    )
    return int(answer.json()["version"]) if answer.status_code == 200 else 0


def _fitting(card: Card, model: bytes) -> Card:
    """The card with the size and the hash of another file."""
    return msgspec.structs.replace(
        card, model_file=ModelFile(size_bytes=len(model), sha256=hashlib.sha256(model).hexdigest())
    )
