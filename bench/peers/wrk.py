"""wrk, the load driver: one thread, so many connections, one body again and again. It is a Debian package."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MISSING = "wrk must be installed to drive the servers (Debian and Ubuntu: apt install wrk)"
TIMEOUT_S = 60
MARK = "figures "

# `done` hands over wrk's own counters, unrounded; its text gives three digits and a unit.
SCRIPT = """
wrk.method = "POST"
local file = assert(io.open({body}, "rb"))
wrk.body = file:read("*a")
file:close()
{headers}
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{mark}{{"requests": %.0f, "duration_us": %.0f, "p50_us": %.0f, "p99_us": %.0f, ' ..
    '"connect": %.0f, "read": %.0f, "write": %.0f, "timeout": %.0f, "status": %.0f}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
"""
ERRORS = {
    "connect": "failed connections",
    "read": "failed reads",
    "write": "failed writes",
    "timeout": "timeouts",
    "status": "answers that were errors",
}


class RunFailed(Exception):
    """A run that gives no figure, with the reason in one line."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run saw, without a single error. Latencies are per request, in microseconds."""

    n_requests: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def requests_per_s(self) -> float:
        """Answers a second, over all connections."""
        return self.n_requests / self.seconds


def check_installed() -> None:
    """See that there is a wrk.

    Raises:
        RunFailed: there is none.
    """
    if not shutil.which("wrk"):
        raise RunFailed(MISSING)


def drive(url: str, body: Path, headers: Mapping[str, str], connections: int, seconds: int) -> Load:
    """POST the bytes of `body` for so many seconds.

    Raises:
        RunFailed: wrk saw an answer that was an error, a failing connection or a timeout, or no answer at all.
    """
    script = body.with_suffix(".lua")
    script.write_text(script_for(body, headers))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s", "-s", str(script), url]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RunFailed(f"wrk: {(finished.stderr or finished.stdout).strip()[:200]}")
    return parse(finished.stdout)


def script_for(body: Path, headers: Mapping[str, str]) -> str:
    """The Lua script that makes wrk POST a file's bytes and print its counters."""
    lines = [f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in headers.items()]
    return SCRIPT.format(body=_lua(str(body)), headers="\n".join(lines), mark=MARK)


def parse(output: str) -> Load:
    """The figures in what wrk and the script's `done` printed.

    Raises:
        RunFailed: there was an error of any kind, or no request was answered.
    """
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise RunFailed(f"wrk must print its figures, got {output.strip()[-200:]!r}")
    counters: dict[str, int] = json.loads(line.removeprefix(MARK))
    if seen := [f"{counters[name]} {words}" for name, words in ERRORS.items() if counters[name]]:
        raise RunFailed(f"wrk saw {', '.join(seen)} of {counters['requests']} requests")
    if not counters["requests"]:
        raise RunFailed("wrk saw no answer")
    return Load(
        counters["requests"], counters["duration_us"] / 1e6, float(counters["p50_us"]), float(counters["p99_us"])
    )


def _lua(text: str) -> str:
    """A Lua string of any printable text; JSON's escapes of those are Lua's."""
    return json.dumps(text, ensure_ascii=False)
