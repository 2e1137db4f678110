"""`litet jobs`: the retraining jobs of a running service."""

from __future__ import annotations

import sys

import click
import msgspec

from litet.admin_client import MAX_LISTED, AdminClient
from litet.admin_messages import STATES, State
from litet.client_options import client_options
from litet.job_view import job_line, list_lines
from litet.options import json_option
from litet.watching import print_job, timeout_option, watch


class ListsByDefault(click.Group):
    """A group whose options alone mean `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_help = args[:1] and args[0] in ctx.help_option_names
        if not asks_help and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(name="jobs", cls=ListsByDefault)
def command() -> None:
    """List, show, watch and cancel the retraining jobs of a running service.

    Without a command: list. JOB is a job's id, or its number as listed.
    """


@command.command(name="list")
@click.option("--model", help="Only jobs of this model.")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option(
    "--limit", type=click.IntRange(min=1, max=MAX_LISTED), default=20, show_default=True, help="At most so many."
)
@client_options()
@json_option()
def list_command(client: AdminClient, model: str | None, state: State | None, limit: int, as_json: bool) -> None:
    """List the latest jobs, newest first."""
    found = client.jobs(model=model, state=state, limit=limit)
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif not found.jobs:
        click.echo("no job; order one: litet retrain")
    else:
        click.echo("\n".join(list_lines(found.jobs)))


@command.command()
@click.argument("job")
@client_options()
@json_option()
def show(client: AdminClient, job: str, as_json: bool) -> None:
    """Print all that is known of JOB."""
    print_job(client.job(find_id(client, job)), as_json=as_json)


@command.command(name="watch")
@click.argument("job")
@timeout_option()
@client_options()
@json_option()
def watch_command(client: AdminClient, job: str, timeout_s: float, as_json: bool) -> None:
    """Follow JOB to its end.

    Exit 0 where a version was promoted, or published as was asked for; 3 where the gate held it back; 1 where the job
    failed or was cancelled; 130 after Ctrl-C, which leaves the job running.
    """
    sys.exit(watch(client, find_id(client, job), timeout_s=timeout_s, as_json=as_json))


@command.command()
@click.argument("job")
@client_options()
@json_option()
def cancel(client: AdminClient, job: str, as_json: bool) -> None:
    """Call JOB off. Nothing of it is published."""
    cancelled = client.cancel(find_id(client, job))
    click.echo(msgspec.json.encode(cancelled) if as_json else job_line(cancelled))


def find_id(client: AdminClient, job: str) -> str:
    """The id of a job given by id or number. A number that is not listed is taken for an id: some are all digits."""
    if not job.isdecimal():
        return job
    return next((one.id for one in client.jobs().jobs if str(one.number) == job), job)
