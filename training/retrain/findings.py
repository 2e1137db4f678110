"""What a measured value becomes: nothing, a warning or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from contract.decision import Finding

Check = Literal["label_shift", "rare_class", "few_rows", "duplicates", "contradictions", "leak"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a check begins to warn and where to refuse. Values beyond them are higher, or where `refuse` is the lower
    of the two, lower.
    """

    warn: float
    refuse: float

    def judge(self, check: Check, value: float, detail: str, column: str | None = None) -> list[Finding]:
        """A finding where the value lies beyond a limit; none otherwise."""
        sign = 1 if self.refuse > self.warn else -1
        refused = sign * value > sign * self.refuse
        if not refused and not sign * value > sign * self.warn:
            return []
        limit = self.refuse if refused else self.warn
        return [Finding(check=check, column=column, detail=detail, value=value, limit=limit, refused=refused)]
