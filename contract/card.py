"""The model card: what is known about one version. `card.json` beside the model file."""

from __future__ import annotations

from typing import Literal

import msgspec

from contract.config import ColumnChoice, DecisionName, Json
from contract.decision import GateDecision
from contract.errors import CorruptArtifact
from contract.schema import Label

StopReason = Literal["max_epochs", "converged", "plateau", "annealed", "diverged"]


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of the model file: its size and its SHA-256 as 64 hexadecimal digits."""

    size_bytes: int
    sha256: str


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows went where. `train + valid + test + conformal` are the rows used; `dropped` had no label."""

    train: int
    valid: int
    test: int
    dropped: int
    conformal: int = 0


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows came from. `sha256` is the file's, or for a built-in table that of its content."""

    source: str
    sha256: str
    n_rows: int
    n_columns: int
    target: str
    rows: Rows
    class_counts: tuple[int, ...]
    excluded: dict[str, str] = {}
    warnings: tuple[str, ...] = ()


class ClassMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One class against the rest. Precision is 0 where the class was never predicted."""

    label: Label
    n_samples: int
    precision: float
    recall: float
    f1: float


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """The rows whose confidence, the largest probability, lies in one of the bins of the calibration error.

    A calibrated model is right as often as it is sure: `accuracy` is about `confidence`, the mean of the bin.
    """

    n_samples: int
    confidence: float
    accuracy: float


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """How the model did on rows it was not fitted on.

    `brier` sums over the classes: 0 is perfect, 2 the worst. `ece` is the expected calibration error over 15 bins of
    equal width. `majority_accuracy` is what always answering the commonest class would reach. Rows of
    `confusion_matrix` are labels, columns predictions. `reliability` has the bins of `ece` that hold rows, the least
    sure first.
    """

    n_samples: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    brier: float
    ece: float
    majority_accuracy: float
    per_class: tuple[ClassMetrics, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    reliability: tuple[ReliabilityBin, ...] = ()


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The temperature that the logits were divided by, fitted on the valid rows, and what it changed there."""

    temperature: float
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


class SetMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How prediction sets of one level did on the test rows.

    `coverage` is the share of the rows whose set holds the true label, `lowest_class_coverage` that of the class where
    it is lowest; `mean_size` counts the labels in a set.
    """

    level: float
    coverage: float
    lowest_class_coverage: float
    mean_size: float


class PredictionSets(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction sets that a model can give, calibrated on `n_samples` rows that were used for nothing else.

    Those of `marginal` hold the true label as often as their level says over all rows, those of `per_class` over the
    rows of each class.
    """

    n_samples: int
    marginal: tuple[SetMetrics, ...]
    per_class: tuple[SetMetrics, ...]


class DecisionMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How deciding for one label a row did on the test rows. `class_f1` is in the order of the labels."""

    accuracy: float
    balanced_accuracy: float
    class_f1: tuple[float, ...]
    mean_cost: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that a model's `decision` follows, and what it changes.

    `costs[true][decided]` are given, or those of a `threshold` on the probability of the second of two labels, which
    was chosen on the valid rows by the metric `chosen_by`. Without the rule one would decide for the likeliest label.
    """

    chosen_by: DecisionName
    costs: tuple[tuple[float, ...], ...]
    threshold: float | None
    with_rule: DecisionMetrics
    without_rule: DecisionMetrics


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the train rows, or over so many of them as an epoch of a streamed table has.

    `train_loss` is the mean over the epoch's steps, `valid_loss` that after the last of them. `gradient_norm` (L2) and
    `update_ratio` (norm of the change ÷ norm of the parameters) are the last step's: a ratio below about 1e-5 tells a
    learning rate that is too small, above about 1e-1 one that is too large.
    """

    epoch: int
    train_loss: float
    valid_loss: float
    gradient_norm: float
    update_ratio: float


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the loop. The published weights are those after `best_epoch`.

    `warnings` tells what a user should know before letting the model serve.
    """

    stop_reason: StopReason
    n_epochs: int
    best_epoch: int
    n_parameters: int
    seconds: float
    history: tuple[EpochRecord, ...]
    warnings: tuple[str, ...] = ()


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """The exported graph against torch: the largest difference of a logit, relative to `tolerance`'s scale."""

    n_samples: int
    max_error: float
    tolerance: float


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A few rows with the logits that torch gave for them; a loader compares its own answers before it serves.

    `x_num` holds None for a missing number.
    """

    x_num: tuple[tuple[float | None, ...], ...]
    x_cat: tuple[tuple[str, ...], ...]
    logits: tuple[tuple[float, ...], ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What training knows of a model, before it has a version."""

    config: dict[str, Json]
    columns: ColumnChoice = ColumnChoice()
    data: DataFacts
    training: Training
    calibration: Calibration | None
    metrics: Metrics
    prediction_sets: PredictionSets | None = None
    decision: Decision | None = None
    parity: Parity
    probe: Probe
    libraries: dict[str, str]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The job that a version came from. `fence` is the job's number; `requested_by` the id of the key it came with."""

    job: str
    fence: int
    requested_by: str
    note: str
    gate: GateDecision


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """`card.json`. `parent_version` is the version that was current when this one was published; time is UTC.

    `origin` is absent where the version was not made by a job of the service.
    """

    format: Literal[1] = 1
    name: str
    version: int
    parent_version: int | None
    created_at: str
    model_file: ModelFile
    origin: Origin | None = None
    report: Report

    def encode(self) -> bytes:
        """The bytes of `card.json`.

        Raises:
            CorruptArtifact: the card could not be read back: it holds a NaN, an infinity or text that is not Unicode.
        """
        try:
            content = msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"
        except UnicodeEncodeError as error:
            raise CorruptArtifact(f"a model card must be text: {error}") from error
        self.decode(content)
        return content

    @classmethod
    def decode(cls, content: bytes) -> Card:
        """The card that `content` holds.

        Raises:
            CorruptArtifact: it is not a card.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CorruptArtifact(f"a model card must be readable: {error}") from error
