"""`litet serve`: the published models behind HTTP."""

from __future__ import annotations

import os
from typing import Any

import click

from litet.options import Decorator
from service.settings import Settings, settings


def _settings_options() -> Decorator:
    """One option for each setting; the settings themselves read and check the text."""
    options = []
    for setting in settings():
        flag = setting.name.replace("_", "-")
        help_text = f"{setting.description} [{setting.variable}]"
        if isinstance(setting.default, bool):
            options.append(click.option(f"--{flag}/--no-{flag}", default=None, help=help_text))
        else:
            default = "none" if setting.default is None else setting.default
            options.append(click.option(f"--{flag}", metavar="VALUE", help=f"{help_text} [default: {default}]"))

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(name="serve")
@_settings_options()
def command(**options: Any) -> None:
    """Serve the published models until SIGTERM or Ctrl-C.

    Each option can also be set by the environment variable named behind it; the option wins.
    """
    from service.server import serve

    serve(Settings.from_env(os.environ, **options))
