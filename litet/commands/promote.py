"""`litet promote`: choose the version that serves."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from contract.publishing import Publisher
from litet.options import json_option, models_option


@click.command(name="promote")
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1))
@models_option()
@json_option()
def command(name: str, version: int, models: Path, as_json: bool) -> None:
    """Make VERSION of NAME the one that serves; running services follow within a second.

    It is loaded here first: a file that would harm who loads it harms this process, not a service.
    """
    from service.loading import load_version

    load_version(Publisher(models), name, version)
    pointer = Publisher(models).promote(name, version)
    click.echo(msgspec.json.encode(pointer) if as_json else f"{name}/{pointer.version} serves now")
