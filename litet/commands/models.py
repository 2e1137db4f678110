"""`litet models`: what the repository holds."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from contract.repository import Repository
from litet.options import json_option, models_option


class VersionSummary(msgspec.Struct, frozen=True):
    """One published version, as `--json` prints it."""

    name: str
    version: int
    current: bool
    created_at: str
    accuracy: float
    log_loss: float
    source: str


@click.command(name="models")
@models_option()
@json_option()
def command(models: Path, as_json: bool) -> None:
    """List the published models and their versions; a star marks the one that serves."""
    repository = Repository(models)
    versions = [summary for name in repository.names() for summary in summarize(repository, name)]
    if as_json:
        click.echo(msgspec.json.encode(versions))
        return
    if not versions:
        click.echo(f"no model in {models}; make one: litet train iris")
    for one in versions:
        click.echo(
            f"{'*' if one.current else ' '} {one.name}/{one.version:<4} {one.created_at}  "
            f"accuracy {one.accuracy:.4f}  log loss {one.log_loss:.4f}  from {one.source}"
        )


def summarize(repository: Repository, name: str) -> list[VersionSummary]:
    """The versions of one model, in ascending order."""
    current = repository.current(name).version
    cards = [repository.card(name, version) for version in repository.versions(name)]
    return [
        VersionSummary(
            name=name,
            version=card.version,
            current=card.version == current,
            created_at=card.created_at,
            accuracy=card.report.metrics.accuracy,
            log_loss=card.report.metrics.log_loss,
            source=card.report.data.source,
        )
        for card in cards
    ]
