"""What a request may ask for beside the model file's outputs, in every format alike, and not every version can give."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from service.errors import NoDecision
from service.formats.query import WantedSets
from service.formats.scored import Scored, Write


def write_with_sets(write: Write, wanted: WantedSets, scored: Scored, outputs: Set[str]) -> bytes:
    """What a format writes of answers that have prediction sets.

    Raises:
        NoPredictionSets: the version cannot give any.
    """
    sets = scored.predictor.prediction_sets(scored.answers, wanted.level, per_class=wanted.per_class)
    return write(msgspec.structs.replace(scored, sets=sets), outputs)


def write_with_decision(write: Write, scored: Scored, outputs: Set[str]) -> bytes:
    """What a format writes of answers whose decision was asked for by name.

    Raises:
        NoDecision: the version has no rule to decide by.
    """
    if scored.predictor.rule is None:
        name, version = scored.predictor.name, scored.predictor.version
        raise NoDecision(f"a decision needs a version with a rule, got {name}/{version}, whose decision is argmax")
    return write(scored, outputs)
