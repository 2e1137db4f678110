"""A version is loaded in a process of its own before it may serve."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from contract.errors import CorruptArtifact, NotFound
from contract.publishing import Publisher
from service import proof
from service.proof import prove

PATIENCE_S = 30


def test_a_version_that_loads_is_proven(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher, promote=False)
    asyncio.run(prove(publisher.root, "iris", 1))


def test_a_version_that_is_not_there_is_not_found(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher)
    for name, version in (("iris", 2), ("none", 1)):
        with pytest.raises(NotFound):
            asyncio.run(prove(publisher.root, name, version))


def test_a_version_that_does_not_load_is_refused_with_the_reason(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher, model=foundry.model(foundry.numeric(), seed=5), promote=False)
    with pytest.raises(CorruptArtifact, match="must give its card's logits within"):
        asyncio.run(prove(publisher.root, "iris", 1))


@pytest.mark.parametrize(
    ("death", "words"),
    [("kill -SEGV $$", "without harm, got exit code -11"), ("exit 1", "without harm, got exit code 1")],
)
def test_a_version_that_kills_whoever_loads_it_is_refused(
    publisher: Publisher, foundry: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, death: str, words: str
) -> None:
    foundry.publish(publisher)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{death}\n")
    python.chmod(0o755)
    monkeypatch.setattr(proof.sys, "executable", str(python))
    with pytest.raises(CorruptArtifact, match=words):
        asyncio.run(prove(publisher.root, "iris", 1))


def test_a_version_that_takes_for_ever_is_refused(
    publisher: Publisher, foundry: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    foundry.publish(publisher)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(proof.sys, "executable", str(python))
    monkeypatch.setattr(proof, "MAX_S", 0.1)
    with pytest.raises(CorruptArtifact, match="must load within"):
        asyncio.run(prove(publisher.root, "iris", 1))


def test_a_proof_that_nobody_waits_for_any_more_ends(
    publisher: Publisher, foundry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foundry.publish(publisher)
    held, python = tmp_path / "held", tmp_path / "python"
    os.mkfifo(held)
    python.write_text(f"#!/bin/sh\nexec 3>{held}\nsleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(proof.sys, "executable", str(python))

    async def run() -> None:
        proving = asyncio.create_task(prove(publisher.root, "iris", 1))
        with await asyncio.to_thread(held.open, "rb") as holders:
            proving.cancel()
            with pytest.raises(asyncio.CancelledError):
                async with asyncio.timeout(PATIENCE_S):
                    await proving
            assert await asyncio.to_thread(holders.read) == b""

    asyncio.run(run())
