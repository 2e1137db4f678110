"""What differs between two schemas for those who send requests and read answers."""

from __future__ import annotations

from collections.abc import Iterable

from contract.faults import show
from contract.schema import Label, Schema

MAX_NAMED = 10
"""How many names one change lists."""


def schema_changes(old: Schema, new: Schema) -> tuple[str, ...]:
    """The changes from `old` to `new` that a client would notice, a phrase each; none where there are none.

    Ranges, quantiles, categories and whether cells were missing are no changes: they follow the data, and any request
    that the old model took the new one takes as well.
    """
    before, after = ({feature.name: type(feature) for feature in schema.features} for schema in (old, new))
    common = [name for name in before if name in after]
    changes: list[str] = []
    if old.target != new.target:
        changes.append(f"the target is {show(new.target)} instead of {show(old.target)}")
    changes += _changed("features added", (name for name in after if name not in before))
    changes += _changed("features removed", (name for name in before if name not in after))
    changes += _changed("features of another kind", (name for name in common if before[name] is not after[name]))
    if common != [name for name in after if name in before]:
        changes.append("features in another order")
    return (*changes, *_label_changes(old.labels, new.labels))


def _label_changes(old: tuple[Label, ...], new: tuple[Label, ...]) -> list[str]:
    before, after = (" and ".join(sorted({type(label).__name__ for label in labels})) for labels in (old, new))
    if before != after:
        return [f"labels of type {after} instead of {before}"]
    return [
        *_changed("labels added", (label for label in new if label not in old)),
        *_changed("labels removed", (label for label in old if label not in new)),
    ]


def _changed(change: str, names: Iterable[Label]) -> list[str]:
    """The change with the names it concerns; empty where there are none."""
    listed = [show(name) for name in names]
    more = f", … ({len(listed)} in all)" if len(listed) > MAX_NAMED else ""
    return [f"{change}: {', '.join(listed[:MAX_NAMED])}{more}"] if listed else []
