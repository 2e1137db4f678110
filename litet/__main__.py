"""`litet`: the command line. Each subcommand is a module that is imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import version

import click

from contract.errors import CallerError, LitetError

COMMANDS = {
    "train": "Train on a table, evaluate, export, publish.",
    "serve": "Serve the published models over HTTP.",
    "predict": "Score a file with a published model, without a server.",
    "evaluate": "Measure a published model on a labelled file.",
    "compare": "Set a published model beside other libraries' on your table.",
    "models": "List the published models and their versions.",
    "promote": "Make a published version the one that serves.",
    "rollback": "Make the version that served before serve again.",
    "health": "Ask a running service whether it is ready.",
    "retrain": "Retrain a model in a running service.",
    "jobs": "List, show, watch and cancel jobs of a running service.",
    "key": "Make a key for the admin API.",
    "audit": "Verify an audit log.",
}


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 # click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"litet.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # click's signature
    if wanted:
        click.echo(f"litet {version('litet')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
def cli() -> None:
    """From a labelled table to a trained small network behind POST /predict."""


def main() -> None:
    """Run the command line. Exit code 2: the caller can mend it; 1: we, or the machine, failed."""
    # Else onnxruntime, once imported, writes an id below the home folder and reports its use to its maker.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        cli(prog_name="litet")
    except CallerError as error:
        _fail(error, exit_code=2)
    except LitetError as error:
        _fail(error, exit_code=1)
    except OSError as error:
        _fail(error, exit_code=1)


def _fail(error: Exception, *, exit_code: int) -> None:
    click.echo(f"litet: {error}", err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
