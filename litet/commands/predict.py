"""`litet predict`: offline batch scoring."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import FileIO
from pathlib import Path

import click
import msgspec

from contract.errors import InvalidData
from contract.repository import Repository
from litet.extras import needs_extra
from litet.options import json_option, models_option

INTERRUPTED_EXIT_CODE = 130


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. `seconds` counts from opening the table to closing the output."""

    model: str
    version: int
    rows: int
    seconds: float
    output: str


@click.command(name="predict")
@click.argument("name")
@click.argument("file")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="OUT.csv or OUT.parquet. [default: CSV to standard output]",
)
@click.option("--version", type=click.IntRange(min=1), help="The version to use. [default: the one that serves]")
@click.option(
    "--prediction-set",
    "level",
    metavar="LEVEL",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Add to each row a set of labels that holds the true one with this probability, such as 0.9.",
)
@click.option("--per-class", is_flag=True, help="Keep that probability for the rows of each class by itself.")
@models_option()
@json_option()
def command(
    name: str,
    file: str,
    output: Path | None,
    version: int | None,
    level: float | None,
    per_class: bool,
    models: Path,
    as_json: bool,
) -> None:
    """Score the rows of FILE with the model NAME.

    Columns are found by name, in any order; others are ignored. The output has one line for each row, in order. FILE
    is read, and OUT written, some rows at a time: memory does not grow with it.
    """
    if per_class and level is None:
        raise click.UsageError("--per-class needs --prediction-set")
    suffix = _check_output(output, file)
    if as_json and output is None:
        raise click.UsageError("--json prints one object to standard output, so the answers need --output")
    with needs_extra("tables"):
        from litet.answer_files import WRITERS
        from litet.progress import open_bar
        from litet.scoring import read_version, score_rows
        from litet.write_behind import WriteBehind
        from service.formats.query import WantedSets
        from service.predictor import Predictor
        from training.table import open_rows
    predictor = Predictor(read_version(Repository(models), name, version))
    wanted_sets = None if level is None else WantedSets(level, per_class)
    started = time.perf_counter()
    n_rows = 0
    if output is None and sys.stdout is None:
        raise click.UsageError("standard output is closed, so the answers need --output")
    is_mixed_up = output is None and sys.stdout.isatty()
    try:
        with (
            open_rows(file) as rows,
            _open_output(output) as out,
            open_bar(quiet=as_json or is_mixed_up) as advance,
            WriteBehind(partial(WRITERS[suffix], out)) as writer,
        ):
            for frame, share in score_rows(predictor, rows, wanted_sets):
                writer.put(frame)
                n_rows += frame.height
                advance(frame.height, share)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)
    if output is None:
        return
    seconds = time.perf_counter() - started
    if as_json:
        summary = Summary(model=name, version=predictor.version, rows=n_rows, seconds=seconds, output=str(output))
        click.echo(msgspec.json.encode(summary))
    else:
        click.echo(f"{n_rows} rows scored by {name}/{predictor.version} → {output}", err=True)


def _check_output(output: Path | None, file: str) -> str:
    """The suffix of the output, which says its form."""
    suffix = output.suffix.lower() if output else ".csv"
    if suffix not in {".csv", ".parquet"}:
        raise InvalidData(f"--output must end in .csv or .parquet, got {str(output)!r}")
    if output and not output.parent.is_dir():
        raise InvalidData(f"--output must lie in a folder that exists, got {str(output)!r}")
    if output and output.resolve() == Path(file).resolve():
        raise InvalidData(f"--output must not be the table itself, got {str(output)!r}")
    return suffix


@contextmanager
def _open_output(output: Path | None) -> Iterator[FileIO]:
    """The file to write, or standard output without a buffer: what a closed pipe did not take is not tried again."""
    from litet.answer_files import written_aside

    if output is None:
        yield FileIO(sys.stdout.fileno(), "wb", closefd=False)
        return
    with written_aside(output) as file:
        yield file
