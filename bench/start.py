"""Start-up, memory, and the time of whole commands: `make bench-start`.

Each figure is that of a fresh process. The service is measured in the serving environment, which holds no torch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench.report import save

LITET = Path(sys.executable).with_name("litet")
SERVING_LITET = Path(".venv-serve/bin/litet")
ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
N_REQUESTS = 1_000

TARGETS = {
    "service start to first answer, s": 1.0,
    "resident memory of a worker after 1,000 requests, MB": 120.0,
    "litet --help, s": 0.3,
    "litet train iris --preset reference, s": 6.0,
}


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    serving = [measure_service() for _ in range(repeats)]
    figures = {
        "service start to first answer, s": [seconds for seconds, _ in serving],
        "resident memory of a worker after 1,000 requests, MB": [megabytes for _, megabytes in serving],
        "litet --help, s": [seconds_of([str(SERVING_LITET), "--help"]) for _ in range(repeats)],
        "litet train iris --preset reference, s": [in_empty_folder(train_iris) for _ in range(repeats)],
    }
    print(f"{'':<56}{'median':>8}{'least':>8}{'most':>8}{'target':>8}")
    for name, values in figures.items():
        middle = statistics.median(values)
        print(f"{name:<56}{middle:>8.2f}{min(values):>8.2f}{max(values):>8.2f}{TARGETS[name]:>8.1f}")
    save("start", figures)


def measure_service() -> tuple[float, float]:
    """Seconds from starting `litet serve` to its first answer, and its resident memory in MB after `N_REQUESTS`."""
    started = time.perf_counter()
    command = [SERVING_LITET, "serve", "--port", "0", "--default-model", "iris"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        url = next(json.loads(line)["url"] for line in service.stderr if '"url"' in line)
        with httpx.Client(base_url=url, timeout=10) as client:
            client.post("/predict", json=ROW).raise_for_status()
            seconds = time.perf_counter() - started
            for _ in range(N_REQUESTS):
                client.post("/predict", json=ROW).raise_for_status()
        megabytes = _resident_megabytes(service.pid)
        service.terminate()
        service.stderr.read()
    return seconds, megabytes


def train_iris(folder: str) -> float:
    """Seconds of a whole training run, publishing included."""
    return seconds_of([str(LITET), "train", "iris", "--preset", "reference", "--models", folder])


def seconds_of(command: list[str]) -> float:
    """Wall time of a command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def in_empty_folder(run: Callable[[str], float]) -> float:
    """What `run` answers, given a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return run(folder)


def _resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024 / 1e6


if __name__ == "__main__":
    main()
