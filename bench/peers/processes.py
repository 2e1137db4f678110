"""Server processes: started on chosen cores, asked until they answer, weighed, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.peers.wrk import RunFailed

PATIENCE_S = 60.0
"""How long a server may take to its first answer, and a request to be answered."""
STOP_S = 10.0
LOOK_S = 0.002
DROPPED = ("LITET_", "PROMETHEUS_", "UVICORN_", "MLSERVER_", "BENTOML_", "PYTHONPATH")
"""Variables of whoever runs the benchmark that would change what a server does."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server. `port` is None where it announces its URL in its log."""

    argv: Sequence[str]
    port: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the driver sends it."""

    path: str
    content: bytes
    headers: Mapping[str, str]


class Running:
    """A server that has been started, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], started: float, log: Path, port: int | None) -> None:
        self._process = process
        self._started = started
        self._log = log
        self._port = port

    @property
    def url(self) -> str:
        """Where it answers; only after `wait_for_answer`."""
        return f"http://127.0.0.1:{self._port}"

    def wait_for_answer(self, asked: Asked) -> float:
        """Seconds from the start to the first answer of 200.

        Raises:
            RunFailed: it ended, or gave none in time.
        """
        last = "no connection"
        while time.perf_counter() - self._started < PATIENCE_S:
            if self._process.poll() is not None:
                raise RunFailed(f"ended with {self._process.returncode}: {self._last_words()}")
            if self._port is None:
                self._port = self._announced()
            if self._port is not None:
                try:
                    status, content = self.ask(asked)
                except (OSError, http.client.HTTPException) as error:
                    last = str(error)
                else:
                    if status == 200:
                        return time.perf_counter() - self._started
                    last = f"{status} {content[:100]!r}"
            time.sleep(LOOK_S)
        raise RunFailed(f"no answer in {PATIENCE_S:g} s: {last}; {self._last_words()}")

    def ask(self, asked: Asked, times: int = 1) -> tuple[int, bytes]:
        """Status and content of the last of so many answers, one after the other on one connection.

        Raises:
            OSError: it cannot be reached.
            HTTPException: what it sends is no HTTP.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            for _ in range(times):
                connection.request("POST", asked.path, asked.content, dict(asked.headers))
                response = connection.getresponse()
                content = response.read()
        return response.status, content

    def resident(self) -> tuple[float, int]:
        """Resident memory in MB, summed over the process and all below it, and how many those are.

        What processes share counts once for each.
        """
        pids = _tree(self._process.pid)
        return sum(map(_resident_megabytes, pids)), len(pids)

    def stop(self) -> None:
        """End it, gently at first, and all that it started."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _announced(self) -> int | None:
        for line in self._log.read_text().splitlines():
            if line.endswith("}") and '"url"' in line:
                return urlsplit(str(json.loads(line)["url"])).port
        return None

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:200] if lines else "no word"


@contextlib.contextmanager
def running(launch: Launch, cores: set[int], folder: Path) -> Iterator[Running]:
    """A server whose processes may run on `cores` only, stopped at the end. It logs to a file in `folder`.

    Raises:
        RunFailed: its program cannot be started.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    log = folder / "server.log"
    mine = os.sched_getaffinity(0)
    with log.open("wb") as output:
        os.sched_setaffinity(0, cores)  # a child inherits it
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                launch.argv, env=environ | dict(launch.environ), cwd=launch.cwd, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise RunFailed(f"{launch.argv[0]}: {error.strerror}") from None
        finally:
            os.sched_setaffinity(0, mine)
    server = Running(process, started, log, launch.port)
    try:
        yield server
    finally:
        server.stop()


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _tree(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended since
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    pids = [root]
    for pid in pids:  # grows while it is walked
        pids += [child for child, parent in parents.items() if parent == pid]
    return pids


def _resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")), 0)
    return int(kilobytes) * 1024 / 1e6
