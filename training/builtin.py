"""The built-in tables: small data sets that come with scikit-learn, so that everything can be tried without a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from contract.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Builtin:
    """A table that knows its target. `sha256` is that of names, values and labels, whatever library read them."""

    frame: pl.DataFrame
    target: str
    sha256: str


def read_builtin(name: str) -> Builtin:
    """The built-in table `name`, one of `BUILTINS`: float64 features in their published order, then the target.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    return BUILTINS[name]()


def _iris() -> Builtin:
    data = _load("load_iris")
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return _table(names, data.data, "species", _named(data))


def _wine() -> Builtin:
    data = _load("load_wine")
    return _table(list(data.feature_names), data.data, "cultivar", _named(data))


def _breast_cancer() -> Builtin:
    data = _load("load_breast_cancer")
    names = [name.replace(" ", "_") for name in data.feature_names]
    return _table(names, data.data, "diagnosis", _named(data))


def _digits() -> Builtin:
    data = _load("load_digits")
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    return _table(names, data.data, "digit", data.target.tolist())


BUILTINS: dict[str, Callable[[], Builtin]] = {
    "iris": _iris,
    "wine": _wine,
    "breast_cancer": _breast_cancer,
    "digits": _digits,
}


def _load(function: str) -> Any:
    try:
        from sklearn import datasets  # noqa: PLC0415 # takes a second, and a run on a file does not need it
    except ModuleNotFoundError as error:
        raise MissingExtra("the built-in tables need scikit-learn: pip install 'litet[train]'") from error
    return getattr(datasets, function)()


def _named(data: Any) -> list[str]:
    return [str(data.target_names[index]) for index in data.target]


def _table(names: Sequence[str], values: np.ndarray, target: str, labels: Sequence[str] | Sequence[int]) -> Builtin:
    features = {name: values[:, j] for j, name in enumerate(names)}
    digest = hashlib.sha256("\n".join([*names, target, *map(str, labels)]).encode())
    digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    frame = pl.DataFrame(features).with_columns(pl.Series(target, labels))
    return Builtin(frame=frame, target=target, sha256=digest.hexdigest())
