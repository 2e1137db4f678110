"""Which of our formats a client would rather have (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def preferred(accept: bytes, formats: Collection[str], aliases: Mapping[str, str]) -> str | None:
    """The format with the highest weight in an Accept header, the earlier one of two alike; None where none would do.

    A type that is named outweighs the wildcard that takes it in; of what only a wildcard takes in, the order of
    `formats` decides.
    """
    named: dict[str, float] = {}
    matched: dict[str, float] = {}
    for item in accept.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weight = next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        if name.endswith("*"):
            matched |= {form: weight for form in formats if form not in matched and form.startswith(name.rstrip("*/"))}
        elif aliases.get(name, name) in formats:
            named[aliases.get(name, name)] = weight
    weights = named | {form: weight for form, weight in matched.items() if form not in named}
    best = max(weights, key=weights.__getitem__, default=None)
    return best if best and weights[best] else None


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
