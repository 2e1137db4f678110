"""Sizes of memory as a user writes them: 2GB, 1.5GiB, 800MB."""

from __future__ import annotations

import re

import click

UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


class ByteSize(click.ParamType[int]):
    """A number with one of the units MB, GB, TB, MiB, GiB, TiB, as bytes."""

    name = "SIZE"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes, at least one."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)", value.strip())
        unit = UNITS.get(found[2].upper()) if found else None
        if found is None or unit is None:
            self.fail(f"expected a number with MB, GB, TB, MiB, GiB or TiB, such as 2GB; got {value!r}", param, ctx)
        return int(float(found[1]) * unit)
