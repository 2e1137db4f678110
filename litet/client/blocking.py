"""The client for code that waits."""

from __future__ import annotations

from time import sleep
from types import TracebackType
from typing import Self, TypeVar

import httpx

from litet.client.asking import Attempt, Lost, Patience, Reply, Steps
from litet.client.connection import DEADLINE_S, HEADERS, RETRIES, TIMEOUT_S, check_url, to_reply, to_request
from litet.client.messages import ModelDetails, ServedModel
from litet.client.predictions import Predictions
from litet.client.questions import Questions
from litet.client.tables import Rows

T = TypeVar("T")


class Client:
    """The service at `url`. A context manager; any number of threads may share it.

    Args:
        url: Where the service is; it may stand below a path.
        model: The model that is asked where a call names none; None is the service's default model.
        timeout_s: How long connecting may take, and each silence of the connection.
        deadline_s: How long a call may take with all its attempts and the pauses between them.
        retries: How often a request is made again after a 502, a 503 or a lost connection. Nothing else is repeated.
        transport: What carries requests in place of a network: httpx's, for tests and special connections.

    Every call raises NotFound, Refused, Unavailable (TimedOut) or UnreadableAnswer where it gets no answer.

    Raises:
        InvalidSettings: an argument is out of its range.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float = TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        patience = Patience(timeout_s=timeout_s, deadline_s=deadline_s, retries=retries)
        self._questions = Questions(check_url(url), model, patience)
        self._http = httpx.Client(base_url=url, headers=HEADERS, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def predict(self, rows: Rows, *, model: str | None = None, version: int | None = None) -> Predictions:
        """The answers to rows, from a model's current version, or from the one with a number.

        Raises:
            InvalidData: `rows` is no table, or lacks a feature of the model.
            InvalidRows: rows do not fit the model; its `faults` say which, and how.
        """
        return self._run(self._questions.predict(rows, model, version))

    def models(self) -> tuple[ServedModel, ...]:
        """The models that are served."""
        return self._run(self._questions.models())

    def model(self, name: str | None = None) -> ModelDetails:
        """A model's current version: its features, classes and metrics."""
        return self._run(self._questions.model(name))

    def is_ready(self) -> bool:
        """Whether the service answers predictions now; False, too, where nobody is there. Not repeated."""
        return self._run(self._questions.is_ready())

    def _run(self, steps: Steps[T]) -> T:
        try:
            attempt = next(steps)
            while True:
                attempt = steps.send(self._make(attempt))
        except StopIteration as stop:
            answer: T = stop.value
            return answer

    def _make(self, attempt: Attempt) -> Reply | Lost:
        if attempt.pause_s:
            sleep(attempt.pause_s)
        try:
            return to_reply(self._http.send(to_request(self._http, attempt)))
        except httpx.RequestError as error:
            return Lost(error)
