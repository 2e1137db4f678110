"""`litet rollback`: undo a promotion."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from contract.publishing import Publisher
from litet.options import json_option, models_option


@click.command(name="rollback")
@click.argument("name")
@models_option()
@json_option()
def command(name: str, models: Path, as_json: bool) -> None:
    """Make the version of NAME that served before serve again; a second call goes one further back."""
    pointer = Publisher(models).roll_back(name)
    click.echo(msgspec.json.encode(pointer) if as_json else f"{name}/{pointer.version} serves now")
