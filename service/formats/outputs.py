"""What can be asked for of each row."""

from __future__ import annotations

from service.errors import InvalidBody

DECISION = "decision"
"""Written only of versions that have a rule."""
OUTPUTS = ("label", "class_index", "probabilities", "logits", DECISION)
"""In the order in which they are written."""
ALL = frozenset(OUTPUTS)


def parse_outputs(names: str) -> frozenset[str]:
    """Names separated by commas.

    Raises:
        InvalidBody: there is none, or one is not an output.
    """
    outputs = frozenset(name.strip() for name in names.split(","))
    if not outputs <= ALL:
        raise InvalidBody(f"outputs must be some of {', '.join(OUTPUTS)}; got {names[:80]!r}")
    return ALL if outputs == ALL else outputs
