"""Which columns of a table become features, of which kind, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from contract.config import ColumnChoice
from contract.errors import InvalidData
from training.kinds import Kind, can_be_categories, check_finite, idle, kind_of, n_categories, stray, unfit

ON_REQUEST = "on request"
MAX_LISTED = 10
"""How many columns a message lists."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The features of a table in its order, each with its kind; and the columns left out, each with the reason.

    `warnings` tells what was decided without being asked for.
    """

    kinds: dict[str, Kind]
    excluded: dict[str, str]
    warnings: tuple[str, ...]


def choose_columns(frame: pl.DataFrame, target: str, choice: ColumnChoice, max_categories: int) -> Columns:
    """The features of a table whose label column is `target`.

    Numbers, and texts that are all numbers, are numeric; other texts and booleans are categorical. Left out are
    dates and nested types, constant and empty columns, and those that only tell rows apart.

    Raises:
        InvalidData: the target or a chosen column is not in the table, choices contradict each other, a chosen column
            can be no feature, a number is not finite as float32, or no feature is left.
    """
    check_choice(frame, target, choice)
    verdicts = {column.name: _judge(column, choice, max_categories) for column in frame if column.name != target}
    kinds = {name: verdict.kind for name, verdict in verdicts.items() if verdict.kind}
    excluded = {name: verdict.reason for name, verdict in verdicts.items() if not verdict.kind}
    if not kinds:
        reasons = "; ".join(_told(excluded)) or "it has no other column"
        raise InvalidData(f"a table must have a column to learn {target!r} from, got none: {reasons}")
    unasked = {name: reason for name, reason in excluded.items() if reason != ON_REQUEST}
    warnings = [*_told(unasked), *(warning for verdict in verdicts.values() for warning in verdict.warnings)]
    return Columns(kinds=kinds, excluded=excluded, warnings=tuple(warnings))


def require_columns(frame: pl.DataFrame, names: Iterable[str], role: str) -> None:
    """Nothing, where the table has the columns `names`; `role` is what the message calls them.

    Raises:
        InvalidData: it lacks one. The message suggests a name that is close, and lists the table's.
    """
    for name in names:
        if name not in frame.columns:
            near = {column.lower(): column for column in frame.columns}
            close = [near[lower] for lower in get_close_matches(name.lower(), near, n=1)]
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise InvalidData(
                f"{role} must be a column of the table, got {name!r}{hint}; it has {_listed(frame.columns)}"
            )


def check_choice(frame: pl.DataFrame, target: str, choice: ColumnChoice) -> None:
    """Nothing, where a table with these columns has the target, and the choice makes sense for it.

    Raises:
        InvalidData: a column is not in the table, or choices contradict each other.
    """
    require_columns(frame, [target], "the target")
    kept = {*choice.include, *choice.categorical}
    for role, names in (("include", choice.include), ("exclude", choice.exclude), ("categorical", choice.categorical)):
        require_columns(frame, names, f"each name in {role!r}")
        if target in names:
            raise InvalidData(f"the target is never a feature, got {target!r} in {role!r}")
    if both := sorted(kept & set(choice.exclude)):
        raise InvalidData(f"a column can be kept or excluded, got both for {_listed(both)}")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What becomes of one column; `reason` says why it is left out, where it has no kind."""

    kind: Kind | None
    reason: str = ""
    warnings: tuple[str, ...] = ()


def _judge(column: pl.Series, choice: ColumnChoice, max_categories: int) -> _Verdict:
    name = column.name
    if name in choice.exclude:
        return _Verdict(None, ON_REQUEST)
    forced = name in choice.categorical
    wanted = forced or name in choice.include
    kind = "categorical" if forced and can_be_categories(column) else kind_of(column)
    if kind is None and wanted:
        raise InvalidData(f"column {name!r} cannot be a feature: it holds {unfit(column)}")
    if kind is None:
        return _Verdict(None, unfit(column))
    why = None if forced or kind == "numeric" else stray(column)
    if not wanted and (reason := idle(column, kind)):
        return _Verdict(None, f"{reason}; {why}" if why else reason)
    if kind == "numeric":
        check_finite(column)
        return _Verdict(kind)
    warnings = (f"column {name!r} is taken as categories: {why}",) if why else ()
    return _Verdict(kind, warnings=(*warnings, *_rare_warning(column, max_categories)))


def _rare_warning(column: pl.Series, max_categories: int) -> tuple[str, ...]:
    n_texts = n_categories(column)
    told_apart = f"only the {max_categories} commonest are told apart"
    return (f"column {column.name!r} has {n_texts} categories: {told_apart}",) if n_texts > max_categories else ()


def _told(excluded: dict[str, str]) -> list[str]:
    """One line for each reason, with the columns that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in excluded.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"left out {_listed(names)}: {reason}" for reason, names in by_reason.items()]


def _listed(names: Sequence[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > MAX_LISTED else ""
    return ", ".join(map(repr, names[:MAX_LISTED])) + more
