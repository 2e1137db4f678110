"""`litet retrain`: order a retraining job of a running service, and watch it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from contract.config import PRESETS, PresetName, TrainingConfig
from contract.errors import InvalidData
from contract.job import DataChecks
from contract.names import check_name, name_from
from litet.admin_client import AdminClient, one_line
from litet.admin_messages import Dataset, RetrainRequest
from litet.client_options import client_options
from litet.job_view import job_line
from litet.options import config_options, given, json_option
from litet.watching import timeout_option, watch

CONTENT_TYPES = {
    ".csv": "text/csv",
    ".txt": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
}
LARGE_BYTES = 8 * 2**20
"""A smaller file is sent before a bar would be read."""


def _check_header(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None or (text and text.isascii() and text.isprintable()):
        return text
    raise click.BadParameter(f"expected printable ASCII, got {text!r}")


@click.command(name="retrain")
@click.argument("model", required=False)
@click.option("--dataset", help="An uploaded dataset, in its latest version, or a built-in table.")
@click.option(
    "--upload", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Upload this table, and use it."
)
@click.option(
    "--dataset-name",
    help="What the uploaded table is called; its versions share held-out rows. [default: MODEL, else the file's name]",
)
@click.option("--target", help="The column to predict.")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="Where the options below start from.")
@click.option("--exclude", multiple=True, metavar="COLUMN", help="Leave a column out. May be repeated.")
@click.option(
    "--include", multiple=True, metavar="COLUMN", help="Keep a column that looks like an id. May be repeated."
)
@click.option("--categorical", multiple=True, metavar="COLUMN", help="Treat numbers as categories. May be repeated.")
@click.option("--manual", is_flag=True, help="Let a person promote the new version, even if it passes the gate.")
@click.option(
    "--data-checks",
    type=click.Choice(["refuse", "warn"]),
    default="refuse",
    show_default=True,
    help="Whether a grave finding in the data ends the job.",
)
@click.option("--queue", is_flag=True, help="Wait for the model's job under way, if there is one.")
@click.option("--create", is_flag=True, help="Make the model's first version, if there is none.")
@click.option("--note", default="", help="Why; kept with the job and the version.")
@click.option(
    "--idempotency-key", callback=_check_header, help="Sent again with the same request, orders no second job."
)
@click.option("--watch/--no-watch", "watched", default=True, help="Follow the job to its end. [default: watch]")
@timeout_option()
@client_options()
@json_option()
@config_options(TrainingConfig)
def command(
    client: AdminClient,
    model: str | None,
    dataset: str | None,
    upload: Path | None,
    dataset_name: str | None,
    target: str | None,
    preset: PresetName | None,
    exclude: tuple[str, ...],
    include: tuple[str, ...],
    categorical: tuple[str, ...],
    manual: bool,
    data_checks: DataChecks,
    queue: bool,
    create: bool,
    note: str,
    idempotency_key: str | None,
    watched: bool,
    timeout_s: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Retrain MODEL, else the default model, in a running service.

    What is left out stays as it is in the version that serves: target, columns and training options. A preset replaces
    the training options; those given here win. The defaults named below count with a preset, and where none serves.

    Exit 0 where the new version was promoted, or published as was asked for; 3 where the gate held it back; 1 where
    the job failed or was cancelled; 130 after Ctrl-C, which leaves the job running.
    """
    if (dataset is None) == (upload is None):
        raise click.UsageError("give either --dataset or --upload")
    if dataset_name is not None and upload is None:
        raise click.UsageError("--dataset-name names the table that --upload sends: give both")
    if model is not None:
        check_name(model)
    uploaded = _upload(client, upload, dataset_name or model) if upload else None
    request = RetrainRequest(
        dataset=uploaded.name if uploaded else dataset or "",
        dataset_version=uploaded.version if uploaded else None,
        target=target,
        preset=preset,
        config=given(options),
        include=include or None,
        exclude=exclude or None,
        categorical=categorical or None,
        promote="manual" if manual else "auto",
        data_checks=data_checks,
        queue=queue,
        create=create,
        note=note,
    )
    job = client.retrain(model, request, idempotency_key)
    if watched:
        click.echo(job_line(job), err=True)
        sys.exit(watch(client, job.id, timeout_s=timeout_s, as_json=as_json))
    click.echo(msgspec.json.encode(job) if as_json else f"{job_line(job)}; watch it: litet jobs watch {job.id}")


def _upload(client: AdminClient, file: Path, name: str | None) -> Dataset:
    """Send a table, with a bar where it is large and a person looks on.

    Raises:
        InvalidData: its suffix tells no format that the service reads.
    """
    suffix = file.suffix.lower()
    if suffix not in CONTENT_TYPES:
        raise InvalidData(f"--upload must end in one of {', '.join(CONTENT_TYPES)}, got {str(file)!r}")
    name = check_name(name) if name is not None else name_from(file.stem)
    size_bytes = file.stat().st_size
    hidden = size_bytes < LARGE_BYTES or not sys.stderr.isatty()
    with click.progressbar(length=size_bytes, label=f"uploading {name}", file=sys.stderr, hidden=hidden) as bar:
        dataset, is_new = client.upload(name, file, CONTENT_TYPES[suffix], bar.update)
    for warning in dataset.warnings:
        click.echo(f"warning    {one_line(warning)}", err=True)
    click.echo(
        f"{dataset.name} {dataset.version[:16]}…: {dataset.n_rows} rows, {dataset.n_columns} columns, "
        f"{'uploaded' if is_new else 'there already'}",
        err=True,
    )
    return dataset
