"""What the service answers, as far as a client reads it. Fields that it does not know are ignored."""

from __future__ import annotations

import msgspec

from contract.card import Calibration, Decision, Metrics, PredictionSets
from contract.schema import CategoricalFeature, Label, NumericFeature


class Number(NumericFeature, frozen=True, kw_only=True, forbid_unknown_fields=False, tag_field="kind", tag="numeric"):
    """A numeric feature, as a later service may describe it."""


class Category(
    CategoricalFeature, frozen=True, kw_only=True, forbid_unknown_fields=False, tag_field="kind", tag="categorical"
):
    """A categorical feature, as a later service may describe it."""


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a line: `version` is the one that serves."""

    name: str
    version: int
    n_features: int
    classes: tuple[Label, ...]


class ServedModels(msgspec.Struct, frozen=True, kw_only=True):
    """The models that are served, and the name of the one that answers where none is named."""

    models: tuple[ServedModel, ...]
    default: str | None = None


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a model that serves: what it takes, what it answers with, and how well.

    `versions` are all that are published. `metrics` are those of rows that training never saw, and so are those of
    `prediction_sets` and `decision`, which are None where the version gives none.
    """

    name: str
    version: int
    versions: tuple[int, ...]
    target: str
    features: tuple[Number | Category, ...]
    classes: tuple[Label, ...]
    metrics: Metrics
    calibration: Calibration | None
    created_at: str
    sha256: str
    prediction_sets: PredictionSets | None = None
    decision: Decision | None = None


class Parameter(msgspec.Struct, frozen=True):
    """A value as JSON text."""

    string_value: str


class Parameters(msgspec.Struct, frozen=True):
    """The classes in the order of the logits, and the features of a row in theirs."""

    labels: Parameter
    features: Parameter


class Configuration(msgspec.Struct, frozen=True):
    """One version of a model, current or not."""

    parameters: Parameters


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """The answer to a row in JSON."""

    class_index: int
    probabilities: list[float]
    logits: list[float]
    unseen: list[str] = []


class JsonAnswer(msgspec.Struct, frozen=True):
    """The answer to rows in JSON."""

    model: str
    version: int
    predictions: list[Prediction]


class OutputSize(msgspec.Struct, frozen=True):
    """How many bytes an output has."""

    binary_data_size: int


class Output(msgspec.Struct, frozen=True):
    """An output whose elements follow the JSON."""

    name: str
    shape: tuple[int, ...]
    parameters: OutputSize


class InferAnswer(msgspec.Struct, frozen=True):
    """The JSON of an answer in tensors."""

    model_version: str
    outputs: tuple[Output, ...]
