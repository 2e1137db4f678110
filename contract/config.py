"""What a training run can be told: its options, and what becomes of the table's columns.

The command line has one option for each field, a request to retrain can override each, and the card records them all.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from contract.errors import InvalidConfig

Activation = Literal["relu", "silu", "silu-relu", "selu", "tanh", "gelu"]
OptimizerName = Literal["muon", "adam"]
ScheduleName = Literal["adaptive", "constant"]
DecisionName = Literal["argmax", "costs", "f1", "balanced_accuracy"]
PresetName = Literal["default", "reference"]
Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""A value that JSON can write. It ends in Any because msgspec reads no recursive alias."""


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a run. Made by `make_config`, which checks every range; the defaults are preset `default`."""

    hidden_sizes: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=4096)], ...],
        Meta(max_length=16, description="Width of each hidden layer, such as 64,64; empty for a linear model."),
    ] = (96, 96)
    activation: Annotated[
        Activation,
        Meta(description="Nonlinearity after each hidden layer; 'silu-relu': SiLU after the first, ReLU after others."),
    ] = "silu-relu"
    n_members: Annotated[
        int, Meta(ge=1, le=64, description="Networks trained side by side, whose probabilities are averaged.")
    ] = 8
    n_frequencies: Annotated[
        int, Meta(ge=0, le=256, description="Waves of learnt frequency in which each number also enters; 0 for none.")
    ] = 16
    dropout: Annotated[float, Meta(ge=0, le=0.9, description="Share of hidden values zeroed while training.")] = 0.1
    batch_norm: Annotated[bool, Meta(description="Normalise each hidden layer over the batch.")] = False
    standardize: Annotated[bool, Meta(description="Scale numbers by median and quartiles, logarithmic far out.")] = True
    max_thresholds: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Thresholds as inputs of their own, for each number with a spike or few values, four times as "
            "many for codes; 0 for none.",
        ),
    ] = 32
    max_categories: Annotated[
        int, Meta(ge=1, le=10_000, description="How many categories of a feature are told apart, commonest first.")
    ] = 128
    max_epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="Passes over the train rows, at most.")] = 200
    batch_size: Annotated[
        int | Literal["auto"] | None,
        Meta(
            description="Rows per forward pass, from 1 up; 'all' for every train row at once, 'auto' for 256, or less "
            "where rows are few."
        ),
    ] = "auto"
    accumulation_steps: Annotated[
        int, Meta(ge=1, le=10_000, description="Batches whose gradients add up before one step.")
    ] = 1
    optimizer: Annotated[
        OptimizerName,
        Meta(
            description="'muon': orthogonal steps for the matrices between hidden units, Adam's for all else; 'adam': "
            "Adam's for all."
        ),
    ] = "muon"
    lr: Annotated[float, Meta(gt=0, le=1e6, description="Step size, at its largest.")] = 1e-2
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Adam's memory of the size of gradients.")] = 0.95
    schedule: Annotated[
        ScheduleName,
        Meta(
            description="'adaptive': the step size falls to zero, the sooner and with the more weight decay, the less "
            "is explained, and with more decay where rows are few; 'constant': neither changes."
        ),
    ] = "adaptive"
    time_budget_s: Annotated[
        float | None, Meta(description="Seconds that fitting may take; 'none' for as many as it needs.")
    ] = None
    weight_decay: Annotated[
        float, Meta(ge=0, le=10, description="Decoupled shrinking of the weights, per step × lr.")
    ] = 0.6
    patience: Annotated[
        int | None,
        Meta(
            description="Stop after so many epochs without a better valid loss and restore the best; 'none' to run on."
        ),
    ] = 40
    class_weights: Annotated[
        bool, Meta(description="Weight the loss by 1 ÷ class frequency (probabilities suffer).")
    ] = False
    calibrate: Annotated[
        bool, Meta(description="Fit one temperature on the valid rows and fold it into the model.")
    ] = True
    valid_fraction: Annotated[
        float,
        Meta(
            gt=0,
            lt=0.5,
            description="Share of the rows that choose epoch and temperature: of an ensemble, for each member its own, "
            "4,096 in all at most.",
        ),
    ] = 0.125
    test_fraction: Annotated[float, Meta(gt=0, lt=0.5, description="Share of the rows that only the metrics see.")] = (
        0.15
    )
    conformal_fraction: Annotated[
        float,
        Meta(
            ge=0,
            lt=0.5,
            description="Share of the rows, 1,000 at most, that only calibrate prediction sets; 0 for none.",
        ),
    ] = 0.05
    decision: Annotated[
        DecisionName,
        Meta(
            description="'costs': a `decision` beside the likeliest label, of least expected cost; 'f1' (of the rarer "
            "label) or 'balanced_accuracy': one by the best threshold on the valid rows, for two classes."
        ),
    ] = "argmax"
    costs: Annotated[
        dict[str, dict[str, float]] | None,
        Meta(
            description="What each mistake costs, by the true label, then the one decided for, as "
            '{"sick": {"well": 9}, "well": {"sick": 1}}.'
        ),
    ] = None
    seed: Annotated[
        int, Meta(ge=0, le=2**32 - 1, description="Fixes the split, the first weights and every shuffle.")
    ] = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "patience"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.time_budget_s is not None and not self.time_budget_s > 0:
            raise ValueError(f"time_budget_s must be more than 0, got {self.time_budget_s}")

        if (self.decision == "costs") != (self.costs is not None):
            raise ValueError(f"costs and a decision of 'costs' go together, got {self.decision!r} and {self.costs}")
        for cost in (cost for row in (self.costs or {}).values() for cost in row.values()):
            if not 0 <= cost < math.inf:
                raise ValueError(f"costs must be finite and 0 or more, got {cost}")

        if self.class_weights and self.accumulation_steps > 1:
            # A weighted loss divides by its batch's weights, so those of several batches do not add up to that of one.
            raise ValueError(f"class_weights need accumulation_steps of 1, got {self.accumulation_steps}")
        if self.batch_norm and self.is_packed:
            raise ValueError(
                f"batch_norm needs n_members of 1 and n_frequencies of 0, got {self.n_members} and {self.n_frequencies}"
            )
        if self.batch_norm and self.batch_size == 1:
            raise ValueError("batch_norm needs at least 2 rows in a batch, got a batch_size of 1")

    @property
    def is_packed(self) -> bool:
        """Whether the network is an ensemble, or has waves: each member then leaves out valid rows of its own."""
        return self.n_members > 1 or self.n_frequencies > 0

    def to_json(self) -> dict[str, Json]:
        """The fields as JSON values, for the card."""
        fields: dict[str, Json] = msgspec.to_builtins(self)
        return fields


class ColumnChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user wants of some columns; what is not said is decided by what they hold.

    `include` keeps columns that would be left out as constant or as ids; it leaves no other column out. `exclude`
    leaves columns out. `categorical` takes columns as categories even where they hold numbers, and keeps them as
    `include` does.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()


PRESETS: dict[PresetName, dict[str, Any]] = {
    "default": {},
    # The network and recipe that DESIGN.md ends with: everything that could stand between the reader and the
    # five lines of the loop is off, so its logits are the network's own.
    "reference": {
        "hidden_sizes": (10,),
        "activation": "relu",
        "n_members": 1,
        "n_frequencies": 0,
        "dropout": 0.0,
        "standardize": False,
        "max_thresholds": 0,
        "max_epochs": 300,
        "batch_size": None,
        "optimizer": "adam",
        "lr": 0.01,
        "beta2": 0.999,
        "schedule": "constant",
        "weight_decay": 0.0,
        "patience": None,
        "calibrate": False,
        "valid_fraction": 0.2,
        "test_fraction": 0.2,
        "conformal_fraction": 0.0,
    },
}


def make_config(preset: PresetName = "default", **overrides: Any) -> TrainingConfig:
    """A preset with some fields set otherwise.

    Raises:
        InvalidConfig: no such preset or field, or a value outside its range.
    """
    if preset not in PRESETS:
        raise InvalidConfig(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    try:
        return msgspec.convert({**PRESETS[preset], **overrides}, TrainingConfig)
    except msgspec.ValidationError as error:
        raise InvalidConfig(_explain(str(error), overrides)) from error


def _explain(message: str, overrides: dict[str, Any]) -> str:
    """Rule, then value: 'Expected `float` >= 0 - at `$.dropout`' becomes 'dropout: expected `float` >= 0, got -1'."""
    rule, _, place = message.partition(" - at `$.")
    name = place.rstrip("`").partition("[")[0]
    if name in overrides:
        rule = rule.partition(", got ")[0]  # a type says less than the value
        return f"{name}: {rule[0].lower()}{rule[1:]}, got {overrides[name]!r}"
    return rule
