"""`litet audit`: is an audit log as it was written?"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from litet.options import json_option


@click.command(name="audit")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option()
def command(file: Path, as_json: bool) -> None:
    """Check the audit log FILE, audit.jsonl, and the audit.head beside it. Exit 0 where it is intact, 1 otherwise."""
    from service.admin.audit import LOG_FILE, verify

    if file.name != LOG_FILE:
        raise click.BadParameter(f"expected a file named {LOG_FILE}, got {file.name!r}", param_hint="FILE")
    verdict = verify(file.parent)
    if as_json:
        click.echo(msgspec.json.encode(verdict))
    else:
        times = f", {verdict.first_time} to {verdict.last_time}" if verdict.n_entries else ""
        click.echo(f"{verdict.n_entries} entries{times}")
        click.echo("intact" if verdict.broken_at is None else f"line {verdict.broken_at}: {verdict.reason}")
    sys.exit(verdict.broken_at is not None)
