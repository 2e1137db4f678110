"""A request to retrain: its body, and what it comes to once dataset, current version and defaults are looked up."""

from __future__ import annotations

import contextlib
import difflib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contract.card import Card
from contract.config import ColumnChoice, PresetName, TrainingConfig, make_config
from contract.decision import GateLimits
from contract.errors import InvalidConfig, LitetError, NotFound
from contract.job import BUILTIN_DATASETS, DataChecks, Order, Promote
from contract.names import check_name
from contract.repository import Repository
from service.admin.datasets import Dataset, Datasets
from service.admin.job_record import Request
from service.errors import InvalidBody, MalformedBody
from service.settings import Settings

Names = tuple[Annotated[str, Meta(max_length=1000)], ...]


class RetrainBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a retrain is asked with.

    `dataset` is an uploaded table (its latest version, unless `dataset_version` names another by its SHA-256 or the
    beginning of it) or one that comes with the trainer. What is left out is taken from the version that serves: target,
    columns, and the training options, which `preset` replaces and `config` overrides.

    `promote`: whether the version may serve once it passes the gate, or waits for a person. `data_checks`: whether a
    grave finding in the data ends the job, or only warns. `queue`: wait for the model's job under way. `create`: the
    model need not exist.
    """

    dataset: Annotated[str, Meta(max_length=64)]
    dataset_version: Annotated[str, Meta(min_length=8, max_length=64)] | None = None
    target: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    preset: PresetName | None = None
    config: dict[str, Any] = {}
    include: Names | None = None
    exclude: Names | None = None
    categorical: Names | None = None
    promote: Promote = "auto"
    data_checks: DataChecks = "refuse"
    queue: bool = False
    create: bool = False
    note: Annotated[str, Meta(max_length=1000)] = ""


DECODER = msgspec.json.Decoder(RetrainBody)


def decode_retrain(body: bytes) -> RetrainBody:
    """The request in a body.

    Raises:
        MalformedBody: it is not JSON.
        InvalidBody: it is JSON of another shape.
    """
    try:
        return DECODER.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        raise InvalidBody(f"a retrain request must fit its schema: {message[0].lower()}{message[1:300]}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody(f"a body must be JSON: {str(error)[:200]}") from None


class Resolver:
    """Looks up what a request leaves open."""

    def __init__(self, settings: Settings, repository: Repository, datasets: Datasets) -> None:
        self._settings = settings
        self._repository = repository
        self._datasets = datasets

    def resolve(self, model: str, body: RetrainBody, requested_by: str) -> Request:
        """The request with everything looked up. Blocks: for threads.

        Raises:
            NotFound: there is no such model (and `create` is false), dataset or version.
            InvalidBody: the target is missing, or no column of the dataset.
            InvalidConfig: a training option outside its range.
        """
        if not self._repository.versions(check_name(model)) and not body.create:
            raise NotFound(
                f'a model must be published, got {model!r}; send "create": true (--create) to make its first version'
            )
        champion = self._latest_card(model)
        dataset, table = self._find(body)
        if dataset:
            _check_columns(body, [column.name for column in dataset.columns])
        limits = GateLimits(
            log_loss_tolerance=self._settings.log_loss_tolerance,
            balanced_accuracy_tolerance=self._settings.balanced_accuracy_tolerance,
            max_label_flips=self._settings.max_label_flips,
        )
        order = Order(
            id="",
            fence=0,
            model=model,
            models=str(self._settings.models.absolute()),
            table=table,
            dataset=body.dataset,
            target=_target(body, champion, dataset),
            held_out=str(self._settings.state_folder.absolute() / "held-out"),
            config=_config(body, champion),
            columns=_columns(body, champion),
            promote=body.promote,
            data_checks=body.data_checks,
            limits=limits,
            requested_by=requested_by,
            note=body.note,
            max_s=self._settings.max_job_s,
        )
        return Request(order=order, dataset_version=dataset.version if dataset else None)

    def _latest_card(self, model: str) -> Card | None:
        """The card of the version that serves, else of the newest; None where none can be read."""
        versions = self._repository.versions(model)[-1:]
        with contextlib.suppress(LitetError):
            versions.append(self._repository.current(model).version)
        for version in reversed(versions):
            with contextlib.suppress(LitetError):
                return self._repository.card(model, version)
        return None

    def _find(self, body: RetrainBody) -> tuple[Dataset | None, str]:
        if body.dataset in BUILTIN_DATASETS:
            if body.dataset_version is not None:
                raise NotFound(f"a built-in table has no versions, got {body.dataset_version!r}")
            return None, body.dataset
        dataset, path = self._datasets.find(body.dataset, body.dataset_version)
        return dataset, str(path.absolute())


def _check_columns(body: RetrainBody, known: list[str]) -> None:
    for field in ("include", "exclude", "categorical"):
        if unknown := [name for name in getattr(body, field) or () if name not in known]:
            raise InvalidBody(
                f"each name in {field!r} must be a column of {body.dataset!r}, got {unknown[0][:80]!r}; "
                f"it has {', '.join(known)[:300]}"
            )


def _target(body: RetrainBody, champion: Card | None, dataset: Dataset | None) -> str | None:
    target = body.target or (champion.report.data.target if champion else None)
    if dataset is None:
        return body.target
    names = [column.name for column in dataset.columns]
    if target is None:
        raise InvalidBody(f"a retrain request must name the target, one of: {', '.join(names)[:300]}")
    if target not in names:
        close = difflib.get_close_matches(target, names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InvalidBody(
            f"the target must be a column of {body.dataset!r}, got {target[:80]!r}{hint}; "
            f"it has {', '.join(names)[:300]}"
        )
    return target


def _config(body: RetrainBody, champion: Card | None) -> TrainingConfig:
    if unknown := body.config.keys() - set(TrainingConfig.__struct_fields__):
        raise InvalidConfig(
            f"a training option must be one of {', '.join(TrainingConfig.__struct_fields__)}, got {min(unknown)[:80]!r}"
        )
    if body.preset is not None or champion is None:
        return make_config(body.preset or "default", **body.config)
    kept = {name: value for name, value in champion.report.config.items() if name in TrainingConfig.__struct_fields__}
    return make_config("default", **{**kept, **body.config})


def _columns(body: RetrainBody, champion: Card | None) -> ColumnChoice:
    choice = champion.report.columns if champion else ColumnChoice()
    given = {name: getattr(body, name) for name in ("include", "exclude", "categorical")}
    return msgspec.structs.replace(choice, **{name: value for name, value in given.items() if value is not None})
