"""Run by path, with the serving interpreter: loads versions as a worker does, each that it reads a line for.

python loading_process.py MODELS NAME    answers `: loaded`, or `: refused`; the rest is onnxruntime's
"""

from __future__ import annotations

import sys
from pathlib import Path

from contract.errors import LitetError
from contract.repository import Repository
from service.loading import load_version


def main() -> None:
    """Until there is nothing more to read, or it dies of a version."""
    models, name = sys.argv[1:]
    repository = Repository(Path(models))
    for line in sys.stdin:
        try:
            load_version(repository, name, int(line))
        except (LitetError, OSError):
            print(": refused", flush=True)
        else:
            print(": loaded", flush=True)


if __name__ == "__main__":
    main()
