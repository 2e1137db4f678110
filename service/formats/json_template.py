"""The JSON of predictions, prepared as far as a version's labels go.

Numbers are float32 with the fewest digits that tell them apart, written an array at a time; what stands between them
is put there as bytes. An encoder of objects takes twice as long for ten thousand rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import orjson

from contract.schema import Label
from service.formats.label_sets import json_text, set_texts
from service.formats.outputs import DECISION
from service.formats.scored import Scored


class JsonTemplate:
    """Writes predictions: `{"label":…,"class_index":…,"probabilities":[…],"logits":[…],"decision":…}`, less what is not
    asked for.

    `outputs` are one at least of those names. Each prediction begins with `separator`. `start` is how a document of
    them begins.
    """

    def __init__(self, model: str, version: int, labels: Sequence[Label], outputs: Set[str], separator: bytes) -> None:
        self.start = b'{"model":%b,"version":%d,"predictions":[' % (orjson.dumps(model), version)
        self._arrays = [name for name in ("probabilities", "logits") if name in outputs]
        openings = [b'"%b":[' % name.encode() for name in self._arrays]
        # What follows each array, or the scalars where there is none: the next one's opening, or the end.
        self._followings = [b"]," + opening for opening in openings[1:]] + [b"]}" if openings else b"}"]
        self._outputs = outputs
        self._is_plain = DECISION not in outputs
        self._labels = [json_text(label) for label in labels]
        comma = b"," if len(outputs) > 1 else b""
        self._decisions = [b'%b"decision":%b}' % (comma, label) for label in self._labels]
        self._heads: list[bytes] = []
        for index, label in enumerate(self._labels):
            members = [b'"label":%b' % label] if "label" in outputs else []
            members += [b'"class_index":%d' % index] if "class_index" in outputs else []
            self._heads.append(separator + b"{" + b",".join(members + openings[:1]))
        rest = b"".join(b"%b" + following for following in self._followings) if openings else b"}"
        self._wholes = [head.replace(b"%", b"%%") + rest for head in self._heads]

    def write(self, scored: Scored, between: Mapping[int, bytes]) -> bytes:
        """All predictions, in order.

        Each with its prediction set, where these were asked for, and with its unseen features, if it has any. `between`
        goes before the prediction of its number; after the last one where it is their count.
        """
        run, start, end = scored.run, scored.start, scored.end
        n_answers = end - start
        is_plain = self._is_plain and not scored.unseen and not between and scored.sets is None
        if n_answers == 1 and is_plain:  # as nearly always, where time counts most
            return self._wholes[run.classes()[start]] % tuple([run.numbers(name)[start] for name in self._arrays])
        heads = [self._heads[index] for index in run.classes()[start:end]]
        for row, piece in between.items():
            if row < n_answers:
                heads[row] = piece + heads[row]
        if not n_answers:
            return between.get(0, b"")
        columns = [heads]
        for name in self._arrays:
            columns.append(run.numbers(name)[start:end])
            columns.append([self._followings[len(columns) // 2 - 1]] * n_answers)
        if not self._arrays:
            columns.append(self._followings * n_answers)
        columns[-1] = self._with_additions(scored, columns[-1])
        pieces = [b""] * (n_answers * len(columns))
        for position, column in enumerate(columns):
            pieces[position :: len(columns)] = column
        return b"".join(pieces) + between.get(n_answers, b"")

    def _with_additions(self, scored: Scored, ends: list[bytes]) -> list[bytes]:
        """How each prediction ends, with what not every one has."""
        decided = scored.decided(self._outputs)
        if decided is not None:
            members = [self._decisions[index] for index in decided.tolist()]
            ends = [end[:-1] + member for end, member in zip(ends, members, strict=True)]
        if scored.sets is not None:
            members = set_texts(scored.sets, self._labels, b',"prediction_set":[%b]}'.__mod__)
            ends = [end[:-1] + member for end, member in zip(ends, members, strict=True)]
        for row, features in scored.unseen.items():
            ends[row] = b'%b,"unseen":%b}' % (ends[row][:-1], orjson.dumps(features))
        return ends
