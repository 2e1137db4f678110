"""Prediction sets beside the answers, in every format alike."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from service.formats.query import WantedSets
from service.formats.scored import Scored, Write


def write_with_sets(write: Write, wanted: WantedSets, scored: Scored, outputs: Set[str]) -> bytes:
    """What a format writes of answers that have prediction sets.

    Raises:
        NoPredictionSets: the version cannot give any.
    """
    sets = scored.predictor.prediction_sets(scored.answers, wanted.level, per_class=wanted.per_class)
    return write(msgspec.structs.replace(scored, sets=sets), outputs)
