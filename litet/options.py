"""Command-line options: the shared ones, and those made of the fields of a typed struct."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import msgspec

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

NOTHING = {"batch_size": "all", "patience": "none"}
"""What a user writes for None."""


def models_option() -> Decorator:
    """`--models`: the model repository's folder."""
    return click.option(
        "--models",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: os.environ.get("LITET_MODELS") or "models",
        show_default="LITET_MODELS, or models",
        help="The model repository.",
    )


def json_option() -> Decorator:
    """`--json`: one JSON object on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def config_options(struct: type[msgspec.Struct]) -> Decorator:
    """One option for each field of a config; only those that were given reach the command, each None otherwise.

    A tuple is written `64,32`; the empty text is the empty tuple.
    """
    hints = get_type_hints(struct, include_extras=True)
    defaults = struct()
    options = [_option(name, hints[name], getattr(defaults, name)) for name in struct.__struct_fields__]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _option(name: str, hint: Any, default: Any) -> Decorator:
    flag = name.replace("_", "-")
    meta = next(extra for extra in hint.__metadata__ if isinstance(extra, msgspec.Meta))
    help_text = f"{meta.description} [default: {default_text(name, default)}]"
    if isinstance(default, bool):
        return click.option(f"--{flag}/--no-{flag}", default=None, help=help_text)
    if isinstance(default, str):
        return click.option(f"--{flag}", type=click.Choice(get_args(hint.__origin__)), help=help_text)
    return click.option(f"--{flag}", metavar=_metavar(default), callback=_parser(name, default), help=help_text)


def _parser(name: str, default: Any) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    nothing = NOTHING.get(name)

    def parse(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        if nothing is not None and text.lower() == nothing:
            return EXPLICIT_NONE
        try:
            if isinstance(default, tuple):
                return tuple(int(part) for part in text.split(",") if part)
            return float(text) if isinstance(default, float) else int(text)
        except ValueError:
            expected = _metavar(default) + (f" or {nothing!r}" if nothing else "")
            raise click.BadParameter(f"expected {expected}, got {text!r}") from None

    return parse


class _Nothing:
    """Stands for an explicit None among options that are None when they were not given."""


EXPLICIT_NONE = _Nothing()


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that the user wrote, as config fields."""
    return {name: None if value is EXPLICIT_NONE else value for name, value in options.items() if value is not None}


def _metavar(default: Any) -> str:
    if isinstance(default, tuple):
        return "INTEGER,…"
    return "FLOAT" if isinstance(default, float) else "INTEGER"


def default_text(name: str, default: Any) -> str:
    """A default as a user would write it."""
    if default is None:
        return NOTHING[name]
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)
