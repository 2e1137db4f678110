"""The two ways of rows to the service and of answers back: as JSON, and as tensors.

Both end in the same predictions: what is sent as tensors was read by the contract's own reader, as the service reads
JSON, and what the tensors' protocol does not say, the version that answered is known to mean.
"""

from __future__ import annotations

import numpy as np

from contract.errors import CallerError
from contract.tensors import Tensors
from litet.admin_client import Unavailable
from litet.client.asking import Asker, Call, Steps
from litet.client.catalogue import Catalogue, Version, model_path
from litet.client.failures import decode, failure, readable
from litet.client.messages import JsonAnswer
from litet.client.predictions import Predictions
from litet.client.tables import Table, json_body
from litet.client.tensor_bodies import Answered, read_tensors, write_tensors

JSON = {"content-type": "application/json"}
MAX_LAYOUTS = 3
"""How often rows are read for a version, and answered by one with other features."""
SAID_BETTER_IN_JSON = frozenset({400, 404})
"""Refused as tensors, with one line of text. Asked again in JSON, the service names each row at fault, and what is not
there; or it answers, where it is too old for tensors."""


def ask_as_json(
    asker: Asker, catalogue: Catalogue, name: str | None, version: int | None, body: bytes
) -> Steps[Predictions]:
    """The answers to the rows of a body, of the default model where none is named."""
    answer = yield from _post_json(asker, name, version, body)
    by = yield from catalogue.version(asker, answer.model, answer.version)
    with readable(asker.url):
        answered = _answered(answer)
    unseen = {row: one.unseen for row, one in enumerate(answer.predictions) if one.unseen}
    return _predictions(by, answered, unseen)


def ask_as_tensors(
    asker: Asker, catalogue: Catalogue, name: str, version: int | None, table: Table
) -> Steps[Predictions]:
    """The answers to a table.

    It is read for the version that served last. Another may serve meanwhile; if that one has other features, the table
    is read once more, and asked about again.
    """
    if version is None:
        known = yield from catalogue.current(asker, name)
    else:
        known = yield from catalogue.version(asker, name, version)
    for _ in range(MAX_LAYOUTS):
        try:
            tensors = table.read(known.reader)
            answered = yield from _infer(asker, known, version, tensors)
            by = yield from catalogue.version(asker, name, answered.version)
        except CallerError:
            if version is not None:
                raise
            by = yield from catalogue.refresh(asker, name)
            if by.layout == known.layout:
                raise
        else:
            if version is None:
                catalogue.keep(by)
            if by.layout == known.layout:
                return _predictions(by, answered, by.reader.find_unseen(tensors.x_cat))
        known = by
    raise Unavailable(f"the features of {name!r} must stay the same while it is asked, got {MAX_LAYOUTS} changes")


def _infer(asker: Asker, known: Version, version: int | None, tensors: Tensors) -> Steps[Answered]:
    body, headers = write_tensors(tensors)
    path = model_path("/v2/models", known.name, version)
    reply = yield from asker.ask(Call("POST", f"{path}/infer", body, headers))
    if reply.status in SAID_BETTER_IN_JSON:
        answer = yield from _post_json(asker, known.name, version, json_body(known.reader.write(tensors)))
        with readable(asker.url):
            return _answered(answer)
    if reply.status != 200:
        raise failure(asker.url, reply.status, reply.content)
    with readable(asker.url):
        return read_tensors(reply.headers, reply.content)


def _post_json(asker: Asker, name: str | None, version: int | None, body: bytes) -> Steps[JsonAnswer]:
    path = "/predict" if name is None else f"{model_path('/models', name, version)}/predict"
    reply = yield from asker.ask(Call("POST", path, body, JSON))
    if reply.status != 200:
        raise failure(asker.url, reply.status, reply.content)
    return decode(asker.url, reply.content, JsonAnswer)


def _answered(answer: JsonAnswer) -> Answered:
    rows = answer.predictions
    return Answered(
        answer.version,
        np.array([row.class_index for row in rows], np.int64),
        np.array([row.probabilities for row in rows], np.float32),
        np.array([row.logits for row in rows], np.float32),
    )


def _predictions(by: Version, answered: Answered, unseen: dict[int, list[str]]) -> Predictions:
    _version, class_index, probabilities, logits = answered
    return Predictions(by.name, by.version, by.classes, class_index, probabilities, logits, unseen)
