"""`python -m training.retrain.inspection FILE`: what a table holds, as JSON on standard output.

An object of n_rows, n_columns, columns and warnings; or of `error`, where the file is no table.
"""

from __future__ import annotations

import sys

import msgspec
import polars as pl

from contract.errors import CallerError
from training.kinds import DATES, kind_of, unfit
from training.retrain.stepping_back import step_back
from training.table import read_table


def inspect(path: str) -> dict[str, object]:
    """What there is to know of a table before a target is named.

    Raises:
        InvalidData: the file is no table.
    """
    table = read_table(path)
    columns = [{"name": column.name, "dtype": _type_of(column)} for column in table.frame]
    return {
        "type": "TableFacts",
        "n_rows": table.frame.height,
        "n_columns": table.frame.width,
        "columns": columns,
        "warnings": table.warnings,
    }


def _type_of(column: pl.Series) -> str:
    """What a model can take a column for, be it the target or a feature; else `date`, or the reader's type."""
    if kind := kind_of(column):
        return kind
    return "date" if unfit(column) == DATES else str(column.dtype)


def main() -> None:
    """Print one JSON object."""
    step_back()
    try:
        found = inspect(sys.argv[1])
    except CallerError as error:
        found = {"type": "Refusal", "error": str(error).replace(repr(sys.argv[1]), "the body")}
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
