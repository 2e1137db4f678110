"""Command-line options: the shared ones, and those made of the fields of a typed struct."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import msgspec

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

NOTHING = {"batch_size": "all", "patience": "none", "time_budget_s": "none", "costs": "none"}
"""What a user writes for None."""
WORDS = {"batch_size": "auto"}
"""What a user may write besides a number."""
JSON = frozenset({"costs"})
"""Options whose value is an object in JSON, or the name of a file that holds one."""
FLAGS = {"time_budget_s": "time-budget"}
"""Flags that are not the field's name: on the command line the unit is in the placeholder."""


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
    flag = FLAGS.get(name, name.replace("_", "-"))
    meta = next(extra for extra in hint.__metadata__ if isinstance(extra, msgspec.Meta))
    help_text = f"{meta.description} [default: {default_text(name, default)}]"
    if name in JSON:
        return click.option(f"--{flag}", metavar="JSON|FILE", callback=_read_json, help=help_text)
    if isinstance(default, bool):
        return click.option(f"--{flag}/--no-{flag}", default=None, help=help_text)
    if isinstance(default, str) and name not in WORDS:
        return click.option(f"--{flag}", type=click.Choice(get_args(hint.__origin__)), help=help_text)
    kind = float if float in (hint.__origin__, *get_args(hint.__origin__)) else int
    metavar = _metavar(name, default, kind)
    return click.option(f"--{flag}", name, metavar=metavar, callback=_parser(name, default, kind), help=help_text)


def _parser(
    name: str, default: Any, kind: type[float | int]
) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    nothing, word = NOTHING.get(name), WORDS.get(name)

    def parse(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        if nothing is not None and text.lower() == nothing:
            return EXPLICIT_NONE
        if word is not None and text.lower() == word:
            return word
        try:
            return tuple(int(part) for part in text.split(",") if part) if isinstance(default, tuple) else kind(text)
        except ValueError:
            words = "".join(f" or {spelled!r}" for spelled in (nothing, word) if spelled)
            raise click.BadParameter(f"expected {_metavar(name, default, kind)}{words}, got {text!r}") from None

    return parse


def _read_json(_context: click.Context, option: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    if text.lower() == NOTHING[option.human_readable_name]:
        return EXPLICIT_NONE
    try:
        content = text.encode() if text.lstrip().startswith("{") else Path(text).read_bytes()
        return msgspec.json.decode(content)
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise click.BadParameter(f"expected an object in JSON, or a file that holds one: {error}") from None


class _Nothing:
    """Stands for an explicit None among options that are None when they were not given."""


EXPLICIT_NONE = _Nothing()


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that the user wrote, as config fields."""
    return {name: None if value is EXPLICIT_NONE else value for name, value in options.items() if value is not None}


def _metavar(name: str, default: Any, kind: type[float | int]) -> str:
    if isinstance(default, tuple):
        return "INTEGER,…"
    if name.endswith("_s"):
        return "SECONDS"
    return "FLOAT" if kind is float else "INTEGER"


def default_text(name: str, default: Any) -> str:
    """A default as a user would write it."""
    if default is None:
        return NOTHING[name]
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)
