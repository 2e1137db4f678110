"""One round over a server: start, weigh, check each answer, drive."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from polars.exceptions import PolarsError

from bench.peers.figures import EVERYWHERE, Figures, Point, Start, where
from bench.peers.formats import Format
from bench.peers.processes import Asked, Running, running
from bench.peers.rows import Rows
from bench.peers.servers import Case, Client, Server
from bench.peers.wrk import Load, RunFailed, drive

N_REQUESTS = 1_000
TOLERANCE = 1e-5
"""Of a probability, against the one that the model file gives; JSON of float32 keeps 7 digits or more."""
FAILURES = (RunFailed, OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Cores:
    """The core that serves and the one that drives."""

    server: int
    driver: int

    @classmethod
    def take(cls) -> Cores:
        """The first two that this process may use. It moves to the second itself, with all that it starts.

        Raises:
            RunFailed: there is only one.
        """
        free = sorted(os.sched_getaffinity(0))
        if len(free) < 2:
            raise RunFailed(f"server and driver must have a core each, got {len(free)} core")
        os.sched_setaffinity(0, {free[1]})
        return cls(free[0], free[1])


def measure(server: Server, cores: Cores, seconds: int, figures: Figures) -> None:
    """Start a server, measure each of its cases at each point, stop it. What fails is in `figures` as a failure."""
    both = {cores.server, cores.driver}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            with running(server.launch(folder), both if server.on_both_cores else {cores.server}, folder) as process:
                first = _ask_for(server.cases[0], 1)
                seconds_to_answer = process.wait_for_answer(first)
                process.ask(first, N_REQUESTS)
                figures.starts.setdefault(server.name, []).append(Start(seconds_to_answer, *process.resident()))
                if server.on_both_cores:
                    os.sched_setaffinity(0, both)  # wrk inherits it
                for case in server.cases:
                    _measure_case(process, case, seconds, folder, figures)
        except FAILURES as error:
            for case in server.cases:
                figures.fail(case.name, EVERYWHERE, str(error))
        finally:
            os.sched_setaffinity(0, {cores.driver})


def answer_of(server: Server, cores: Cores) -> bytes:
    """The answer to one row of a server's first case.

    Raises:
        RunFailed: it does not start, or answers wrongly.
    """
    case = server.cases[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(server.launch(Path(folder)), {cores.server}, Path(folder)) as process,
    ):
        process.wait_for_answer(_ask_for(case, 1))
        return _checked(process, case, 1)


def check_answer(status: int, content: bytes, form: Format, rows: Rows) -> None:
    """See that an answer holds the probabilities of each row.

    Raises:
        RunFailed: it does not.
    """
    if status != 200:
        raise RunFailed(f"answered {status}: {_reason(content)}")
    try:
        probabilities = form.read(content)
    except (KeyError, TypeError, ValueError, PolarsError) as error:
        raise RunFailed(f"an answer must hold probabilities, got {content[:80]!r} ({error})") from None
    if probabilities.shape != rows.probabilities.shape:
        raise RunFailed(f"probabilities must be {rows.probabilities.shape}, got {probabilities.shape}")
    if not (off := np.abs(probabilities - rows.probabilities).max()) <= TOLERANCE:
        raise RunFailed(f"probabilities must be the model's within {TOLERANCE:g}, got {off:.1g} off")


def _measure_case(process: Running, case: Case, seconds: int, folder: Path, figures: Figures) -> None:
    for point in case.points:
        if figures.has_failed(case.name, point):
            continue
        try:
            figures.add(case.name, point, _measure_point(process, case, point, seconds, folder))
        except FAILURES as error:
            figures.fail(case.name, where(point), str(error))


def _measure_point(process: Running, case: Case, point: Point, seconds: int, folder: Path) -> Load:
    asked = _ask_for(case, point.n_rows)
    _checked(process, case, point.n_rows)
    if case.client:
        return drive_by(case.client, process.url, point.n_rows, seconds)
    body = folder / "body"
    body.write_bytes(asked.content)
    return drive(process.url + asked.path, body, asked.headers, point.connections, seconds)


def drive_by(client: Client, url: str, n_rows: int, seconds: int) -> Load:
    """Have a client program ask for so many seconds, one request after the other.

    Raises:
        RunFailed: it failed.
    """
    address = url.removeprefix("http://")
    command = [str(client.python), "-P", str(client.program), address, str(n_rows), str(seconds), *client.options]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunFailed(f"{client.python}: {error.strerror}; `make conformance` makes it") from None
    if finished.returncode:
        raise RunFailed(f"{client.program.name}: {finished.stderr.strip().splitlines()[-1][:200]}")
    took = np.array(json.loads(finished.stdout))
    return Load(len(took), float(took.sum()) / 1e6, *map(float, np.percentile(took, (50, 99))))


def _checked(process: Running, case: Case, n_rows: int) -> bytes:
    status, content = process.ask(_ask_for(case, n_rows))
    if not case.is_echo:
        check_answer(status, content, case.format, case.rows.take(n_rows))
    return content


def _reason(content: bytes) -> str:
    """The detail of a problem document; else the content itself, cut."""
    try:
        return str(orjson.loads(content)["detail"])[:160]
    except (KeyError, TypeError, ValueError):
        return content[:160].decode(errors="replace")


def _ask_for(case: Case, n_rows: int) -> Asked:
    return Asked(case.path, case.format.write(case.rows.take(n_rows)), case.format.headers)
