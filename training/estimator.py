"""litet as a scikit-learn estimator, for pipelines, searches and notebooks.

Importing this imports neither torch nor onnxruntime; torch is imported by the first `fit`, and never to predict.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, assert_all_finite, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from contract.config import Activation, OptimizerName, ScheduleName, TrainingConfig, make_config
from contract.errors import InvalidData
from contract.schema import Label
from training.dataset import frame_tensors
from training.feature_frames import feature_frame, is_frame, whole_schema
from training.parts import Part
from training.portable_model import PortableModel, quiet_onnxruntime

DEFAULTS = TrainingConfig()
FITTING = threading.Lock()
"""Held by a fit: torch's random numbers are the process's, and two fits at once would draw from one sequence."""


class LitetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
    """What `litet train` trains, on all rows that `fit` is given: none are set aside to test on.

    X is a matrix or a data frame of pandas or polars, with numbers, texts, booleans and categories; None, NaN and NA
    are missing. Every column is a feature. y holds texts, whole numbers or booleans, at least two classes.
    `predict_proba` runs the model file in onnxruntime, so what is evaluated is what would be served.

    Parameters are the training options of the same names (docs/configuration.md), checked by `fit`. `random_state` is
    the seed, a `RandomState` to draw it from, or None for numpy's global one; the same integer gives the same model.

    Attributes:
        classes_: the labels, sorted, `(n_classes,)`.
        n_features_in_: how many columns X had.
        feature_names_in_: their names, where all of them were texts.
        schema_: `contract.schema.Schema`, what the model file says of features and labels.
        history_: an `EpochRecord` for each epoch.
        best_epoch_: the number of the epoch whose weights were kept, from 1.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = LitetClassifier(random_state=0).fit(X, y)
    >>> classifier.predict(X[:2]).tolist()
    [0, 0]
    """

    def __init__(  # noqa: PLR0913 # one for each option of the config
        self,
        *,
        hidden_sizes: Sequence[int] = DEFAULTS.hidden_sizes,
        activation: Activation = DEFAULTS.activation,
        n_members: int = DEFAULTS.n_members,
        n_frequencies: int = DEFAULTS.n_frequencies,
        dropout: float = DEFAULTS.dropout,
        batch_norm: bool = DEFAULTS.batch_norm,
        standardize: bool = DEFAULTS.standardize,
        max_thresholds: int = DEFAULTS.max_thresholds,
        max_categories: int = DEFAULTS.max_categories,
        max_epochs: int = DEFAULTS.max_epochs,
        batch_size: int | Literal["auto"] | None = DEFAULTS.batch_size,
        accumulation_steps: int = DEFAULTS.accumulation_steps,
        optimizer: OptimizerName = DEFAULTS.optimizer,
        lr: float = DEFAULTS.lr,
        beta2: float = DEFAULTS.beta2,
        schedule: ScheduleName = DEFAULTS.schedule,
        time_budget_s: float | None = DEFAULTS.time_budget_s,
        weight_decay: float = DEFAULTS.weight_decay,
        patience: int | None = DEFAULTS.patience,
        class_weights: bool = DEFAULTS.class_weights,
        calibrate: bool = DEFAULTS.calibrate,
        valid_fraction: float = DEFAULTS.valid_fraction,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_sizes = hidden_sizes
        self.activation = activation
        self.n_members = n_members
        self.n_frequencies = n_frequencies
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.standardize = standardize
        self.max_thresholds = max_thresholds
        self.max_categories = max_categories
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.accumulation_steps = accumulation_steps
        self.optimizer = optimizer
        self.lr = lr
        self.beta2 = beta2
        self.schedule = schedule
        self.time_budget_s = time_budget_s
        self.weight_decay = weight_decay
        self.patience = patience
        self.class_weights = class_weights
        self.calibrate = calibrate
        self.valid_fraction = valid_fraction
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 # scikit-learn's name
        """Train on all rows.

        Raises:
            ValueError: a parameter is out of its range, X or y cannot be learnt from, or y has a single class.
            TrainingDiverged: the loss grew without bound.
        """
        config = self._config()
        target = str(getattr(y, "name", None) or "target")
        features, y = self._checked(X, y)
        frame = self._frame(features)
        classes, indices = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise InvalidData(f"y must hold at least two classes, got one class, {classes[0]!r}")
        schema = whole_schema(frame, target, [_label(one) for one in classes.tolist()], config.max_categories)
        rows = Part(frame_tensors(schema, frame), indices.astype(np.int64))

        quiet_onnxruntime()
        from training.pipeline import fit_all_rows  # noqa: PLC0415 # imports torch, which takes seconds

        with FITTING:
            checked = fit_all_rows(schema, rows, config)
        self._model = PortableModel(checked.content)
        self.classes_ = classes
        self.schema_ = schema
        self.history_ = checked.fit.fitted.history
        self.best_epoch_ = checked.fit.fitted.best_epoch
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803 # scikit-learn's name
        """Calibrated probabilities of `classes_`, float32 `(n_samples, n_classes)`: what the model file answers.

        Raises:
            ValueError: X has other columns than `fit` was given, or a cell that does not fit its column.
        """
        check_is_fitted(self)
        features = validate_data(
            self, X, reset=False, skip_check_array=is_frame(X), dtype=None, ensure_all_finite=False
        )
        return self._model.probabilities(frame_tensors(self.schema_, self._frame(features)))

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803 # scikit-learn's name
        """The most probable of `classes_` for each row, `(n_samples,)`.

        Raises:
            ValueError: as `predict_proba`.
        """
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, `model.onnx`, there: the very one that `predict_proba` runs."""
        check_is_fitted(self)
        Path(path).write_bytes(self._model.content)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _checked(self, features: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Rows and their labels, looked at as scikit-learn's own estimators do; notes how many columns there are, and
        their names.

        Raises:
            ValueError: there are more labels than rows or fewer, a label is missing, or they are no classes.
        """
        features, y = validate_data(
            self, features, y, skip_check_array=is_frame(features), dtype=None, ensure_all_finite=False
        )
        y = column_or_1d(y, warn=True)
        check_consistent_length(features, y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return features, y

    def _config(self) -> TrainingConfig:
        """The parameters as a config.

        Raises:
            InvalidConfig: one is out of its range.
        """
        options = {name: _plain(value) for name, value in self.get_params(deep=False).items()}
        seed = options.pop("random_state")
        if not isinstance(seed, int):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        return make_config(**options, seed=seed)

    def _frame(self, features: Any) -> pl.DataFrame:
        """The features of checked rows, under the names of `fit`, or x0, x1, … as scikit-learn has them.

        Raises:
            InvalidData: there are no rows or features, or a column holds something else than numbers, texts, booleans.
        """
        names = [str(name) for name in getattr(self, "feature_names_in_", ())]
        names = names or [f"x{index}" for index in range(self.n_features_in_)]
        if not names or not len(features):
            raise InvalidData(f"X must have at least one row and one column, got {len(features)} × {len(names)}")
        if len(set(names)) < len(names) or "" in names:
            raise InvalidData(f"the columns of X must have names of their own, got {names}")
        return feature_frame(features, names)


def _plain(value: Any) -> Any:
    """A parameter without numpy's types, which grids are made of."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _label(value: Any) -> Label:
    """A class as the schema has it: a whole number is an integer, whatever its type."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int) else str(value)
