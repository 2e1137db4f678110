"""`litet key`: make an admin key."""

from __future__ import annotations

import click
import msgspec

from litet.options import json_option


@click.command(name="key")
@click.argument("key_id", metavar="ID")
@json_option()
def command(key_id: str, as_json: bool) -> None:
    """Make an admin key for its holder ID, whose name the audit log will show. Nothing is stored."""
    from service.admin.keys import make_key

    key, line = make_key(key_id)
    if as_json:
        click.echo(msgspec.json.encode({"id": key_id, "key": key, "line": line}))
        return
    click.echo("The key, shown this once; requests carry it as Authorization: Bearer <key>:", err=True)
    click.echo(key)
    click.echo("Its hash, a line for the file LITET_ADMIN_KEYS_FILE or an entry of LITET_ADMIN_KEYS:", err=True)
    click.echo(line)
