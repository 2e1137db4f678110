"""What is wrong with a row, as the tabular formats say it in a cell."""

from __future__ import annotations

from contract.errors import Fault


def fault_text(fault: Fault) -> str:
    """What is wrong with a row."""
    where = "" if fault.feature is None else f"feature {fault.feature!r}: "
    return f"{where}expected {fault.expected}, got {fault.got}"
