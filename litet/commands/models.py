"""`litet models`: what the repository holds."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from contract.errors import CorruptArtifact, NotFound
from contract.repository import Repository
from litet.options import json_option, models_option


class VersionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One published version, as `--json` prints it. `error` says why nothing else is known of a damaged one."""

    name: str
    version: int
    current: bool
    created_at: str | None = None
    accuracy: float | None = None
    log_loss: float | None = None
    source: str | None = None
    error: str | None = None


@click.command(name="models")
@models_option()
@json_option()
def command(models: Path, as_json: bool) -> None:
    """List the published models and their versions; a star marks the one that serves."""
    repository = Repository(models)
    versions = [summary for name in repository.published_names() for summary in summarize(repository, name)]
    if as_json:
        click.echo(msgspec.json.encode(versions))
        return
    if not versions:
        click.echo(f"no model in {models}; make one: litet train iris")
    for one in versions:
        known = (
            f"{one.created_at}  accuracy {one.accuracy:.4f}  log loss {one.log_loss:.4f}  from {one.source}"
            if one.error is None
            else f"damaged: {one.error}"
        )
        click.echo(f"{'*' if one.current else ' '} {one.name}/{one.version:<4} {known}")


def summarize(repository: Repository, name: str) -> list[VersionSummary]:
    """The versions of one model, in ascending order."""
    try:
        current = repository.current(name).version
    except (NotFound, CorruptArtifact):
        current = None
    return [_summary(repository, name, version, is_current=version == current) for version in repository.versions(name)]


def _summary(repository: Repository, name: str, version: int, *, is_current: bool) -> VersionSummary:
    try:
        card = repository.card(name, version)
    except CorruptArtifact as error:
        return VersionSummary(name=name, version=version, current=is_current, error=str(error))
    return VersionSummary(
        name=name,
        version=version,
        current=is_current,
        created_at=card.created_at,
        accuracy=card.report.metrics.accuracy,
        log_loss=card.report.metrics.log_loss,
        source=card.report.data.source,
    )
