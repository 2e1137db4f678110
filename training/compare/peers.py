"""The peers: each at its library's defaults, with the preprocessing that its documentation asks for and no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contract.tensors import Tensors

MAX_CODES = 255
"""Codes that scikit-learn's trees take in one column; more are taken as numbers."""
MAX_ITERATIONS = 1_000
"""Of logistic regression, whose default of 100 often ends before it has converged."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows as numbers: float64 `(n_samples, n_features)`, NaN where missing. `n_codes` has an item for each feature:
    how many texts its codes stand for, 0 where it is a number.
    """

    values: np.ndarray
    n_codes: tuple[int, ...]

    @property
    def numbers(self) -> list[int]:
        """The columns that are numbers."""
        return [column for column, n_codes in enumerate(self.n_codes) if not n_codes]

    def categories(self, most: int | None = None) -> list[int]:
        """The columns that are codes, of at most so many texts."""
        return [column for column, n_codes in enumerate(self.n_codes) if n_codes and (most is None or n_codes <= most)]


def encode(train: Tensors, test: Tensors) -> tuple[Matrix, Matrix]:
    """Both parts as numbers, without features that have none in the train rows, which not every peer takes.

    A text that the train rows do not have is missing; the missing text is a text.
    """
    from sklearn.preprocessing import OrdinalEncoder  # noqa: PLC0415 # half a second

    filled = ~np.isnan(train.x_num).all(axis=0)
    numbers = [part.x_num[:, filled].astype(np.float64) for part in (train, test)]
    n_numbers = int(filled.sum())
    if not train.x_cat.shape[1]:
        return Matrix(numbers[0], (0,) * n_numbers), Matrix(numbers[1], (0,) * n_numbers)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan).fit(train.x_cat)
    n_codes = (0,) * n_numbers + tuple(map(len, encoder.categories_))
    first, second = (
        Matrix(np.concatenate([of_part, encoder.transform(part.x_cat)], axis=1), n_codes)
        for of_part, part in zip(numbers, (train, test), strict=True)
    )
    return first, second


def logistic_regression(train: Matrix, y: np.ndarray, seed: int) -> Any:
    """Numbers filled with the mean and scaled, categories one-hot."""
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("numbers", scaled, train.numbers), ("texts", one_hot, train.categories())])
    return make_pipeline(columns, LogisticRegression(max_iter=MAX_ITERATIONS, random_state=seed)).fit(train.values, y)


def hist_gradient_boosting(train: Matrix, y: np.ndarray, seed: int) -> Any:
    """scikit-learn's gradient boosting, told which columns are categories."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    model = HistGradientBoostingClassifier(categorical_features=train.categories(MAX_CODES), random_state=seed)
    return model.fit(train.values, y)


def lightgbm(train: Matrix, y: np.ndarray, seed: int) -> Any:
    """LightGBM, told which columns are categories."""
    from lightgbm import LGBMClassifier  # noqa: PLC0415 # of the extra `compare`

    return LGBMClassifier(random_state=seed, verbose=-1).fit(train.values, y, categorical_feature=train.categories())


PEERS: Mapping[str, Callable[[Matrix, np.ndarray, int], Any]] = {
    "logistic regression": logistic_regression,
    "HistGradientBoosting": hist_gradient_boosting,
    "LightGBM": lightgbm,
}
"""By name, what fits one on rows and their classes, int64 `(n_samples,)`, with a seed. It then has `predict_proba`."""
