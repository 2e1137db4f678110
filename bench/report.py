"""Tables and machine facts that every benchmark prints."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """What the figures were measured on, without naming the host."""
    model = next(
        (line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), "unknown processor"
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"


def interleave(contenders: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each contender, taken in turn, so that a change in the machine's speed hits them all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            seconds[name].append(run())
    return seconds


def print_seconds(title: str, seconds: Mapping[str, Sequence[float]]) -> None:
    """A row for each contender: median, spread, and the ratio of its median to the first one's."""
    print(f"\n{title}")
    first = statistics.median(next(iter(seconds.values())))
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"  {name:<28} {middle:9.3f} s   {min(values):.3f} to {max(values):.3f}   {middle / first:6.2f} ×")


def save(name: str, content: object) -> None:
    """Keep the raw figures beside the benchmark, out of version control."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "figures": content}, indent=1))
    print(f"\n{machine()}\nraw figures: {path.relative_to(Path.cwd())}")


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
