"""`litet compare`: a published model beside logistic regression and gradient boosting, on the user's table."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from contract.repository import Repository
from litet.extras import needs_extra
from litet.options import json_option, models_option


@click.command(name="compare")
@click.argument("name")
@click.argument("file")
@click.option("--target", help="The column with the labels. [default: the one the model was trained on]")
@models_option()
@json_option()
def command(name: str, file: str, target: str | None, models: Path, as_json: bool) -> None:
    """Set the version of NAME that serves beside other libraries' models on FILE.

    Tested are the rows that its training options make the test part; the others are what all are fitted on. Where the
    version was not trained on FILE itself, a network with its options is fitted anew.
    """
    with needs_extra("train"):
        from litet.comparing import comparison_lines
        from litet.reporting import open_observer
        from training.compare.comparison import compare
        from training.table import read_table
    with needs_extra("compare"):
        import lightgbm  # noqa: F401 # before anything is fitted
    _, artifact = Repository(models).read_current(name)
    table = read_table(file)
    with open_observer(trace=False, quiet=as_json) as observer:
        result = compare(artifact, table, target or artifact.card.report.data.target, observer)
    if as_json:
        click.echo(msgspec.json.encode(result))
        return
    for line in comparison_lines(result):
        click.echo(line)
