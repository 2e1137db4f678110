"""Which of our formats a client would rather have (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

WEIGHT = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


def preferred(accept: bytes, formats: Collection[str], aliases: Mapping[str, str]) -> str | None:
    """The format with the highest weight in an Accept header; None where none would do.

    Its weight is that of the most precise range that takes it in: its own name, `type/*`, `*/*`. Of two alike the one
    that is named first wins, or else the first of `formats`.
    """
    ranges: dict[str, float] = {}
    for item in accept.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weights = (WEIGHT.fullmatch(parameter) for parameter in parameters if parameter.startswith("q="))
        ranges[aliases.get(name, name)] = min(1.0, next((float(q[1]) if q else 0.0 for q in weights), 1.0))
    named = [name for name in ranges if name in formats]
    weighed = {form: _weight(form, ranges) for form in (*named, *formats)}
    best = max(weighed, key=weighed.__getitem__)
    return best if weighed[best] else None


def _weight(form: str, ranges: Mapping[str, float]) -> float:
    kind = form.partition("/")[0]
    return next((ranges[name] for name in (form, f"{kind}/*", "*/*") if name in ranges), 0.0)
