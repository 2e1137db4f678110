"""Loads a version in a process that may die of it: onnxruntime has crashed on files that were made to.

`python -m service.proof MODELS NAME VERSION` loads, warms up and compares as a worker does; what is wrong goes to
standard output.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from contract.errors import CorruptArtifact, LitetError, NotFound
from contract.repository import Repository

REFUSED = 3
MAX_S = 60


def prove(models: Path, name: str, version: int) -> None:
    """Nothing, where a worker can load the version. Blocks for about half a second.

    Raises:
        NotFound: there is no such version.
        CorruptArtifact: it cannot be loaded, or whoever tries does not survive it.
    """
    Repository(models).card(name, version)
    command = [sys.executable, "-P", "-m", "service.proof", str(models), name, str(version)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MAX_S, check=False)  # noqa: S603 # checked above
    except subprocess.TimeoutExpired:
        raise CorruptArtifact(f"{name}/{version} must load within {MAX_S} s") from None
    if done.returncode == REFUSED:
        raise CorruptArtifact(done.stdout.decode("utf-8", "replace").strip())
    if done.returncode:
        raise CorruptArtifact(f"{name}/{version} must load without harm, got exit code {done.returncode}")


def main() -> None:
    """Exit with 0 where the version loads, with `REFUSED` where it does not."""
    from service.loading import load_version  # noqa: PLC0415 # only the child needs onnxruntime

    models, name, version = sys.argv[1:]
    try:
        load_version(Repository(Path(models)), name, int(version))
    except (LitetError, NotFound, OSError) as error:
        sys.stdout.write(str(error))
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
