"""The options by which a command finds a running service and shows its key."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import httpx

from contract.errors import InvalidSettings
from litet.admin_client import AdminClient
from litet.options import Decorator

DEFAULT_URL = "http://127.0.0.1:8000"


def client_options() -> Decorator:
    """`--url` and `--key-file`; the command gets the open client that they make, as `client`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--url",
            callback=_check_url,
            default=lambda: os.environ.get("LITET_URL") or DEFAULT_URL,
            show_default=f"LITET_URL, or {DEFAULT_URL}",
            help="The service.",
        )
        @click.option(
            "--key-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file that holds the admin key. [default: the key itself in LITET_KEY] "
            "No option takes the key: other users of the machine can see command lines.",
        )
        @functools.wraps(command)
        def with_client(*, url: str, key_file: Path | None, **options: Any) -> Any:
            with AdminClient(url, read_key(key_file, os.environ)) as client:
                return command(client=client, **options)

        return with_client

    return decorate


def read_key(file: Path | None, environment: Mapping[str, str]) -> str:
    """The admin key in a file, else in the environment.

    Raises:
        InvalidSettings: there is none, or it is not one word of printable ASCII. The message does not show it.
        OSError: the file cannot be read.
    """
    place = "LITET_KEY" if file is None else f"--key-file {file}"
    text = environment.get("LITET_KEY", "") if file is None else file.read_bytes().decode("utf-8", "replace")
    key = text.strip()
    if not key:
        hint = " (or name a file that holds it: --key-file)" if file is None else ""
        raise InvalidSettings(f"{place} must hold an admin key, got none{hint}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidSettings(f"{place} must hold one admin key, one word of printable ASCII, got something else")
    return key


def _check_url(_context: click.Context, _option: click.Parameter, text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise click.BadParameter(f"expected a URL such as {DEFAULT_URL}, got {text!r}")
    return text
