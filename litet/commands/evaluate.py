"""`litet evaluate`: a published model on labelled rows."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from contract.errors import InvalidData
from contract.repository import Repository
from litet.extras import needs_extra
from litet.options import json_option, models_option
from litet.rendering import metrics_lines


@click.command(name="evaluate")
@click.argument("name")
@click.argument("file")
@click.option("--target", help="The column with the labels. [default: the one the model was trained on]")
@click.option("--version", type=click.IntRange(min=1), help="The version to use. [default: the one that serves]")
@models_option()
@json_option()
def command(name: str, file: str, target: str | None, version: int | None, models: Path, as_json: bool) -> None:
    """Measure the model NAME on the labelled rows of FILE."""
    with needs_extra("train"):
        import numpy as np
        import sklearn  # noqa: F401 # the metrics need it

        from litet.scoring import read_version, score
        from service.predictor import Predictor
        from training.evaluation import evaluate
        from training.labels import label_indices
        from training.table import read_table
    predictor = Predictor(read_version(Repository(models), name, version))
    schema = predictor.schema
    table = read_table(file)
    frame = table.frame
    if table.sha256 == predictor.card.report.data.sha256:
        click.echo("note: the model was trained on rows of this very file; its card has the held-out metrics", err=True)
    y = label_indices(schema.labels, frame, target or schema.target)
    labelled = np.flatnonzero(y >= 0)
    if not len(labelled):
        raise InvalidData(f"at least one row must have a label in {target or schema.target!r}, got none")
    probabilities = np.concatenate([answers.probabilities for answers, _ in score(predictor, frame)])[labelled]
    metrics = evaluate(probabilities, y[labelled], schema.labels)
    if as_json:
        click.echo(msgspec.json.encode(metrics))
        return
    click.echo(f"{name}/{predictor.version} on {file}, {len(y) - len(labelled)} of {len(y)} rows without a label")
    for line in metrics_lines(metrics):
        click.echo(line)
