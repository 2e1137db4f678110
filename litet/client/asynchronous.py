"""The client for code that awaits, on asyncio."""

from __future__ import annotations

from asyncio import sleep
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


class AsyncClient:
    """`litet.client.Client`, whose calls are awaited. An asynchronous context manager; tasks may share it.

    The arguments and errors are the same.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        timeout_s: float = TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
        retries: int = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        patience = Patience(timeout_s=timeout_s, deadline_s=deadline_s, retries=retries)
        self._questions = Questions(check_url(url), model, patience)
        self._http = httpx.AsyncClient(base_url=url, headers=HEADERS, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def predict(self, rows: Rows, *, model: str | None = None, version: int | None = None) -> Predictions:
        """As `Client.predict`."""
        return await self._run(self._questions.predict(rows, model, version))

    async def models(self) -> tuple[ServedModel, ...]:
        """As `Client.models`."""
        return await self._run(self._questions.models())

    async def model(self, name: str | None = None) -> ModelDetails:
        """As `Client.model`."""
        return await self._run(self._questions.model(name))

    async def is_ready(self) -> bool:
        """As `Client.is_ready`."""
        return await self._run(self._questions.is_ready())

    async def _run(self, steps: Steps[T]) -> T:
        try:
            attempt = next(steps)
            while True:
                attempt = steps.send(await self._make(attempt))
        except StopIteration as stop:
            answer: T = stop.value
            return answer

    async def _make(self, attempt: Attempt) -> Reply | Lost:
        if attempt.pause_s:
            await sleep(attempt.pause_s)
        try:
            return to_reply(await self._http.send(to_request(self._http, attempt)))
        except httpx.RequestError as error:
            return Lost(error)
