"""What is served: the models, and what is known of each."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from contract.card import Calibration, Decision, Metrics, PredictionSets
from contract.errors import NotFound
from contract.repository import Repository
from contract.schema import CategoricalFeature, Label, NumericFeature
from service.errors import NotReady
from service.predictor import Predictor
from service.problems import responses
from service.registry import Registry


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model in a line."""

    name: str
    version: int
    n_features: int
    classes: tuple[Label, ...]


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The models that are served, by name. `default` answers where none is named; null where none does."""

    models: list[Model]
    default: str | None


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The version of a model that serves: what it takes, what it answers with, and how well.

    `versions` are all that are published, whether they ever served or not. `metrics` are those of rows that training
    never saw, and so are those of `prediction_sets` and `decision`, which are null where the version gives none.
    """

    name: str
    version: int
    versions: list[int]
    target: str
    features: tuple[NumericFeature | CategoricalFeature, ...]
    classes: tuple[Label, ...]
    metrics: Metrics
    calibration: Calibration | None
    prediction_sets: PredictionSets | None
    decision: Decision | None
    created_at: str
    sha256: str


def catalogue_routes(registry: Registry, repository: Repository) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/models", sync_to_thread=False, summary="Models")
    def list_models() -> Models:
        """The models that are served."""
        models = [_model(predictor) for _name, predictor in sorted(registry.current().items())]
        return Models(models=models, default=_default(registry))

    # In a thread: the list of versions is read from the disk.
    @get("/models/{name:str}", sync_to_thread=True, summary="One model", responses=responses(404))
    def show_model(name: FromPath[str]) -> ModelDetails:
        """One model: its features, classes, metrics and versions."""
        predictor = registry.get(name)
        return _details(predictor, repository.versions(name))

    return [list_models, show_model]


def _default(registry: Registry) -> str | None:
    try:
        return registry.get_default().name
    except (NotFound, NotReady):
        return None


def _model(predictor: Predictor) -> Model:
    return Model(
        name=predictor.name,
        version=predictor.version,
        n_features=len(predictor.schema.features),
        classes=predictor.schema.labels,
    )


def _details(predictor: Predictor, versions: list[int]) -> ModelDetails:
    card = predictor.card
    return ModelDetails(
        name=card.name,
        version=card.version,
        versions=versions,
        target=predictor.schema.target,
        features=predictor.schema.features,
        classes=predictor.schema.labels,
        metrics=card.report.metrics,
        calibration=card.report.calibration,
        prediction_sets=card.report.prediction_sets,
        decision=card.report.decision,
        created_at=card.created_at,
        sha256=card.model_file.sha256,
    )
