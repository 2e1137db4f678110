"""What the tabular formats call things in a cell."""

from __future__ import annotations

from contract.errors import Fault
from contract.schema import Label


def label_text(label: Label) -> str:
    """A label as text; booleans as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def fault_text(fault: Fault) -> str:
    """What is wrong with a row."""
    where = "" if fault.feature is None else f"feature {fault.feature!r}: "
    return f"{where}expected {fault.expected}, got {fault.got}"
