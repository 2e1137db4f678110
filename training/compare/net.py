"""The net's side of a comparison: the published version itself, or where that would not be fair, one fitted anew."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from contract.card import Card
from contract.config import ColumnChoice, TrainingConfig, make_config
from contract.repository import Artifact
from training.columns import require_columns
from training.observer import Observer
from training.portable_model import PortableModel
from training.retrain.held_out import Deal, deal_of
from training.run import train_model
from training.table import Table


@dataclass(frozen=True, slots=True)
class Net:
    """The model file to test, how the rows of the table are dealt out, and why it was fitted anew, where it was."""

    model: PortableModel
    fit_seconds: float
    deal: Deal
    why_anew: str | None


def open_net(artifact: Artifact, table: Table, target: str, observer: Observer) -> Net:
    """The published version where it was trained on this very table; otherwise a network that was fitted anew.

    Raises:
        InvalidData: the table lacks the target or a feature of the model, or cannot be trained on.
        InvalidConfig: the version's card has options that this litet does not know.
        TrainingDiverged: the loss of the network that was fitted anew grew without bound.
    """
    card, model = artifact.card, PortableModel(artifact.model)
    schema = model.opened.schema
    names = [feature.name for feature in schema.features]
    require_columns(table.frame, [target], "the target")
    require_columns(table.frame, names, "each feature of the model")
    if deal := deal_of(card, table.sha256, target):
        return Net(model, card.report.training.seconds, deal, why_anew=None)
    choice = ColumnChoice(
        include=tuple(feature.name for feature in schema.numeric),
        categorical=tuple(feature.name for feature in schema.categorical),
        exclude=tuple(name for name in table.frame.columns if name not in (*names, target)),
    )
    config = make_config("default", **card.report.config)
    trained = train_model(table, target, config, choice, observer)
    deal = msgspec.convert(config, Deal, from_attributes=True)
    return Net(PortableModel(trained.model), trained.report.training.seconds, deal, _why_anew(card, table, target))


def _why_anew(card: Card, table: Table, target: str) -> str:
    version = f"{card.name}/{card.version}"
    if (card.report.data.sha256, card.report.data.target) == (table.sha256, target):
        why = f"{version} came from a job, which held out rows that are not known here"
    else:
        why = f"{version} was trained on another table, and may know rows of this one"
    absent = [name for name in TrainingConfig.__struct_fields__ if name not in card.report.config]
    return f"{why}; its card says nothing of {', '.join(absent)}: they have today's defaults" if absent else why
