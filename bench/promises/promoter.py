"""`python -m bench.promises.promoter MODELS NAME`: promotes each version that it reads, in a process of its own, so
that the clock of whoever measures does not wait for it. Answers with the monotonic time at which each was promoted.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.promises.measured import ROOT
from contract.publishing import Publisher


@contextlib.contextmanager
def promoter(models: Path, name: str) -> Iterator[Callable[[int], float]]:
    """Promotes a version and says when it was done, on the monotonic clock, which all processes share."""
    command = [sys.executable, "-m", "bench.promises.promoter", str(models), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin
        assert stdout

        def promote(version: int) -> float:
            stdin.write(f"{version}\n")
            stdin.flush()
            return float(stdout.readline())

        yield promote
        stdin.close()


def main() -> None:
    """Until there is nothing more to read."""
    models, name = sys.argv[1:]
    publisher = Publisher(Path(models))
    for line in sys.stdin:
        publisher.promote(name, int(line))
        print(time.monotonic(), flush=True)


if __name__ == "__main__":
    main()
