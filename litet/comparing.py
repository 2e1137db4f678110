"""A comparison as text: a table, and one sentence that says whether the net is worth it."""

from __future__ import annotations

from collections.abc import Iterator

from training.compare.result import Contender, Result

FEW_ROWS = 100
"""Test rows below which only large differences show."""


def comparison_lines(result: Result) -> Iterator[str]:
    """What a user wants to know of a comparison."""
    yield (
        f"{result.name}/{result.version} on {result.source}: {result.n_test} test rows; the other {result.n_train} are "
        "what was fitted on"
    )
    if result.why_anew:
        yield f"litet is a network fitted anew with the same options: {result.why_anew}"
    yield f"{'':<22}{'accuracy':>9}{'balanced':>9}{'log loss':>9}{'ECE':>8}{'fit s':>8}{'bytes':>12}{'µs, 1 row':>11}"
    yield from map(_line, result.contenders)
    yield _sentence(result)
    if result.n_test < FEW_ROWS:
        yield f"On {result.n_test} rows only large differences show."


def _line(one: Contender) -> str:
    return (
        f"{one.name:<22}{one.accuracy:>9.4f}{one.balanced_accuracy:>9.4f}{one.log_loss:>9.4f}{one.ece:>8.4f}"
        f"{one.fit_seconds:>8.2f}{one.size_bytes:>12,}{one.us_per_row:>11,.0f}"
    )


def _sentence(result: Result) -> str:
    net, difference = result.contenders[0].name, result.difference
    peer, least, most = difference.peer, *sorted((abs(difference.low), abs(difference.high)))
    by = f"by {abs(difference.log_loss):.4f} (95 %: {least:.4f} to {most:.4f})"
    match result.verdict:
        case "better":
            return f"The net is worth it here: its log loss is lower than that of {peer}, the best of the others, {by}."
        case "worse":
            return f"The net is not worth it here: {peer} has a lower log loss than {net}, {by}."
        case "unclear":
            side = "lower" if difference.log_loss < 0 else "higher"
            return (
                f"These rows do not tell: the log loss of {net} is {side} than that of {peer}, the best of the others, "
                f"by {abs(difference.log_loss):.4f}, but the 95 % interval of the difference, {difference.low:+.4f} to "
                f"{difference.high:+.4f}, holds 0."
            )
