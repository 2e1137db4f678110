"""`litet train`: table → trained, evaluated, exported, checked, published version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from contract.config import PRESETS, ColumnChoice, PresetName, TrainingConfig, make_config
from contract.errors import InvalidData
from contract.names import check_name, name_from
from contract.publishing import Publisher
from litet.extras import needs_extra
from litet.options import config_options, given, json_option, models_option
from litet.rendering import card_lines
from litet.sizes import ByteSize


@click.command(name="train", context_settings={"show_default": False})
@click.argument("data")
@click.option("--target", help="The column to predict. Built-in tables know theirs.")
@click.option("--name", help="The model's name. [default: made of DATA's]")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), default="default", help="Where the options below start from."
)
@click.option("--exclude", multiple=True, metavar="COLUMN", help="Leave a column out. May be repeated.")
@click.option(
    "--include", multiple=True, metavar="COLUMN", help="Keep a column that looks like an id. May be repeated."
)
@click.option("--categorical", multiple=True, metavar="COLUMN", help="Treat numbers as categories. May be repeated.")
@click.option("--promote/--no-promote", default=True, help="Let the new version serve at once. [default: promote]")
@click.option(
    "--max-memory",
    "max_memory_bytes",
    type=ByteSize(),
    help="Memory that the run may take, such as 2GB; a larger table is streamed. [default: 70 % of what is available]",
)
@click.option("--trace", is_flag=True, help="Print the first training step in full.")
@models_option()
@json_option()
@config_options(TrainingConfig)
def command(
    data: str,
    target: str | None,
    name: str | None,
    preset: PresetName,
    exclude: tuple[str, ...],
    include: tuple[str, ...],
    categorical: tuple[str, ...],
    promote: bool,
    max_memory_bytes: int | None,
    trace: bool,
    models: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Train on DATA and publish the model.

    DATA is a .csv, .tsv, .txt, .parquet, .arrow or .feather file, or a built-in table: iris, wine, breast_cancer or
    digits. A Parquet or Arrow file may be larger than memory.
    """
    if trace and as_json:
        raise click.UsageError("--trace prints text and --json prints one object: choose one")
    config = make_config(preset, **given(options))
    name = check_name(name) if name else name_from(Path(data).stem)
    with needs_extra("train"):
        from litet.reporting import open_observer
        from training.run import train_model
        from training.streamed.run import train_streamed
        from training.streamed.table import StreamedTable, open_table
    choice = ColumnChoice(include=include, exclude=exclude, categorical=categorical)
    with open_table(data, config.max_categories, max_memory_bytes) as table:
        target = target or table.target
        if target is None:
            raise InvalidData(f"--target must name the column to predict, one of: {', '.join(table.columns)}")
        with open_observer(trace=trace, quiet=as_json) as observer:
            if isinstance(table, StreamedTable):
                trained = train_streamed(table, target, config, choice, observer)
            else:
                trained = train_model(table, target, config, choice, observer)
    publisher = Publisher(models)
    card = publisher.publish(name, trained.model, trained.report)
    if promote:
        publisher.promote(name, card.version)
    if as_json:
        click.echo(card.encode(), nl=False)
        return
    for line in card_lines(card):
        click.echo(line)
    click.echo(
        f"           {'serves now' if promote else f'serves once promoted: litet promote {name} {card.version}'}"
    )
