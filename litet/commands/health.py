"""`litet health`: the container's HEALTHCHECK."""

from __future__ import annotations

import os
import sys

import click
import httpx


@click.command(name="health")
@click.option("--url", default=lambda: f"http://127.0.0.1:{os.environ.get('LITET_PORT', '8000')}", help="The service.")
@click.option(
    "--timeout-s",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    help="How long to wait for the answer.",
)
def command(url: str, timeout_s: float) -> None:
    """Exit 0 where the service answers that it is ready, 1 otherwise."""
    try:
        status = httpx.get(f"{url}/health/ready", timeout=timeout_s).status_code
    except httpx.HTTPError as error:
        click.echo(f"not reachable: {error}", err=True)
        sys.exit(1)
    click.echo("ready" if status == httpx.codes.OK else f"not ready: {status}")
    sys.exit(status != httpx.codes.OK)
