"""Answers → JSON: one document, or a line for each row."""

from __future__ import annotations

from collections.abc import Mapping, Set

import msgspec

from contract.errors import Fault
from contract.schema import Label
from service.formats.json_template import JsonTemplate
from service.formats.outputs import ALL, DECISION
from service.formats.scored import Scored
from service.predictor import Predictor


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one row, less what was not asked for.

    `decision` is the label that the version's rule decides for; absent without a rule. `prediction_set` are labels that
    hold the true one with the probability that was asked for. `unseen` names features whose value the model never met
    in training; absent if none.
    """

    label: Label | msgspec.UnsetType = msgspec.UNSET
    class_index: int | msgspec.UnsetType = msgspec.UNSET
    probabilities: list[float] | msgspec.UnsetType = msgspec.UNSET
    logits: list[float] | msgspec.UnsetType = msgspec.UNSET
    decision: Label | msgspec.UnsetType = msgspec.UNSET
    prediction_set: list[Label] | msgspec.UnsetType = msgspec.UNSET
    unseen: list[str] | msgspec.UnsetType = msgspec.UNSET


class Predictions(msgspec.Struct, frozen=True, kw_only=True):
    """Answers in the order of the rows, and the model and version that gave them.

    Where bad rows were to be listed, null stands for each of them, and `errors` says what is wrong with it.
    """

    model: str
    version: int
    predictions: list[Prediction | None]
    errors: list[Fault] | msgspec.UnsetType = msgspec.UNSET


def write_document(scored: Scored, outputs: Set[str]) -> bytes:
    """A `service.formats.scored.Write` for `application/json`: a `Predictions`."""
    template = _template(scored.predictor, outputs, b",")
    if scored.faults is None:
        return b"%b%b]}" % (template.start, template.write(scored, {})[1:])
    between = _between(dict.fromkeys(scored.faults, b",null"))
    predictions = template.write(scored, between)[1:]
    return b'%b%b],"errors":%b}' % (template.start, predictions, msgspec.json.encode(list(scored.faults.values())))


def write_predictions(scored: Scored) -> bytes:
    """The same as version 1 of the protocol has it: nothing but the `predictions`, with all that is known of each."""
    template = _template(scored.predictor, ALL, b",")
    return b'{"predictions":[%b]}' % template.write(scored, {})[1:]


def write_lines(scored: Scored, outputs: Set[str]) -> bytes:
    """A `service.formats.scored.Write` for `application/x-ndjson`: a `Prediction` a line, or a bad row's error."""
    template = _template(scored.predictor, outputs, b"\n")
    errors = {row: b'\n{"error":%b}' % msgspec.json.encode(fault) for row, fault in (scored.faults or {}).items()}
    return template.write(scored, _between(errors))[1:] + b"\n"


def _template(predictor: Predictor, outputs: Set[str], separator: bytes) -> JsonTemplate:
    template = predictor.prepared.get((outputs, separator))
    if template is None:
        present = outputs if predictor.rule else outputs - {DECISION}
        template = JsonTemplate(predictor.name, predictor.version, predictor.schema.labels, present, separator)
        predictor.prepared[outputs, separator] = template
    return template


def _between(pieces: Mapping[int, bytes]) -> dict[int, bytes]:
    """What stands for bad rows, by the number of the answer that it goes before."""
    between: dict[int, bytes] = {}
    for n_bad, row in enumerate(sorted(pieces)):
        between[row - n_bad] = between.get(row - n_bad, b"") + pieces[row]
    return between
