"""Loads a version in a process that may die of it: onnxruntime has crashed on files that were made to.

`python -m service.proof MODELS NAME VERSION` loads, warms up and compares as a worker does; what is wrong goes to
standard output.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from contract.errors import CorruptArtifact, LitetError
from contract.repository import Repository
from service.child import run_child

REFUSED = 3
MAX_S = 60


async def prove(models: Path, name: str, version: int) -> None:
    """Nothing, where a worker can load the version. Takes about half a second.

    Raises:
        NotFound: there is no such version.
        CorruptArtifact: it cannot be loaded, or whoever tries does not survive it.
    """
    await asyncio.to_thread(Repository(models).card, name, version)
    command = [sys.executable, "-P", "-m", "service.proof", str(models), name, str(version)]
    try:
        ended = await run_child(command, timeout_s=MAX_S)
    except TimeoutError:
        raise CorruptArtifact(f"{name}/{version} must load within {MAX_S} s") from None
    if ended.code == REFUSED:
        raise CorruptArtifact(ended.output.decode("utf-8", "replace").strip())
    if ended.code:
        raise CorruptArtifact(f"{name}/{version} must load without harm, got exit code {ended.code}")


def main() -> None:
    """Exit with 0 where the version loads, with `REFUSED` where it does not."""
    from service.loading import load_version  # noqa: PLC0415 # only the child needs onnxruntime

    models, name, version = sys.argv[1:]
    try:
        load_version(Repository(Path(models)), name, int(version))
    except (LitetError, OSError) as error:
        sys.stdout.write(str(error))
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
