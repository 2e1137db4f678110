"""`litet predict`: offline batch scoring."""

from __future__ import annotations

from pathlib import Path

import click

from contract.errors import InvalidData
from contract.repository import Repository
from litet.extras import needs_extra
from litet.options import models_option


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
@models_option()
def command(name: str, file: str, output: Path | None, version: int | None, models: Path) -> None:
    """Score the rows of FILE with the model NAME.

    Columns are found by name, in any order; others are ignored. The output has one line for each row, in order.
    """
    suffix = output.suffix.lower() if output else ".csv"
    if suffix not in {".csv", ".parquet"}:
        raise InvalidData(f"--output must end in .csv or .parquet, got {str(output)!r}")
    if output and not output.parent.is_dir():
        raise InvalidData(f"--output must lie in a folder that exists, got {str(output)!r}")
    if output and output.resolve() == Path(file).resolve():
        raise InvalidData(f"--output must not be the table itself, got {str(output)!r}")
    with needs_extra("tables"):
        import polars as pl

        from litet.scoring import answers_frame, read_version, score
        from service.predictor import Predictor
        from training.table import read_table
    predictor = Predictor(read_version(Repository(models), name, version))
    frame = read_table(file).frame
    answers = pl.concat([answers_frame(predictor.schema, batch, unseen) for batch, unseen in score(predictor, frame)])
    if output is None:
        click.echo(answers.write_csv(), nl=False)
        return
    aside = output.with_name(f".{output.name}.partial")
    if suffix == ".csv":
        answers.write_csv(aside)
    else:
        answers.write_parquet(aside)
    aside.replace(output)
    click.echo(f"{answers.height} rows scored by {name}/{predictor.version} → {output}", err=True)
