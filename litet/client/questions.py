"""What a client asks, each question as the steps that lead to its answer (`litet.client.asking`)."""

from __future__ import annotations

import msgspec

from litet.admin_client import Unavailable
from litet.client.asking import Asker, Call, Patience, Steps
from litet.client.catalogue import Catalogue
from litet.client.failures import failure
from litet.client.messages import ModelDetails, ServedModel
from litet.client.predictions import Predictions
from litet.client.tables import Records, read_table
from litet.client.transports import ask_as_json, ask_as_tensors


class Questions:
    """The questions to the service at `url`; they are about `model` where they name none. Threads may share it."""

    def __init__(self, url: str, model: str | None, patience: Patience) -> None:
        self._url = url
        self._model = model
        self._patience = patience
        self._catalogue = Catalogue()

    def is_ready(self) -> Steps[bool]:
        """Whether predictions can be asked for; the first attempt says."""
        asker = Asker(self._url, msgspec.structs.replace(self._patience, retries=0))
        try:
            reply = yield from asker.ask(Call("GET", "/health/ready"))
        except Unavailable:
            return False
        if reply.status not in {200, 503}:
            raise failure(self._url, reply.status, reply.content)
        return reply.status == 200

    def models(self) -> Steps[tuple[ServedModel, ...]]:
        """The models that are served."""
        return (yield from self._catalogue.served(self._asker())).models

    def model(self, name: str | None) -> Steps[ModelDetails]:
        """What the service says of a model."""
        asker = self._asker()
        name = name or self._model or (yield from self._catalogue.default(asker))
        return (yield from self._catalogue.details(asker, name))

    def predict(self, rows: object, model: str | None, version: int | None) -> Steps[Predictions]:
        """The answers to rows.

        Few rows go as JSON: one request, that needs to know nothing of the model.
        """
        table = read_table(rows)
        asker = self._asker()
        name = model or self._model
        if isinstance(table, Records) and (name or version is None) and (body := table.to_json()):
            return (yield from ask_as_json(asker, self._catalogue, name, version, body))
        name = name or (yield from self._catalogue.default(asker))
        return (yield from ask_as_tensors(asker, self._catalogue, name, version, table))

    def _asker(self) -> Asker:
        return Asker(self._url, self._patience)
