"""Who sent an admin request. Denied by default: below /admin and /v2/repository no path, known or not, is open, and no
method.

There are two layers. A wrapper around the whole app refuses by the path alone, before anything is routed. A guard on
the admin routes refuses whatever reached them by a path that the wrapper took for another one.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from service.admin.keys import Keys
from service.errors import TooManyAttempts, Unauthorized
from service.problems import refusal

logger = logging.getLogger(__name__)

ROOTS = (("admin",), ("v2", "repository"))
"""The segments that an admin request's path begins with."""
FIRST_SEGMENTS = tuple(root[0] for root in ROOTS)
ACTOR = "actor"
"""Where in a request's state the id of its key stands."""
MAX_ATTEMPTS = 10
WINDOW_S = 60.0
MAX_CLIENTS = 10_000

Connection = ASGIConnection[Any, Any, Any, Any]


def authenticated(app: ASGIApp, keys: Keys, clock: Callable[[], float] = time.monotonic) -> ASGIApp:
    """`app`, with requests below `ROOTS` let in only with `Authorization: Bearer <key>`, and named after its holder.

    All others get 401, and 429 after ten within a minute from one address, as this process counts them. That spares
    the log; the keys need no help, being 256 random bits. So a right key always passes: nobody can lock out an
    operator behind the same proxy.
    """
    attempts = Attempts(clock)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        # As the router reads paths, which drops slashes in front. What passes here is what is hot.
        if not scope["path"].lstrip("/").startswith(FIRST_SEGMENTS) or not _is_admin(scope):
            await app(scope, receive, send)
            return
        key = _bearer(scope["headers"])
        actor = keys.identify(key) if key else None
        if actor is not None:
            # A dict of its own, so that the name cannot outlive the request in one that a server shares.
            scope["state"] = {**scope.get("state", {}), ACTOR: actor}
            await app(scope, receive, send)
            return
        try:
            attempts.refuse(scope)
        except (Unauthorized, TooManyAttempts) as error:
            await refusal(error, scope["path"])(scope, receive, send)

    return guarded


def require_actor(connection: Connection, _handler: BaseRouteHandler) -> None:
    """The guard of all admin routes.

    Raises:
        Unauthorized: the request came past the wrapper.
    """
    actor_of(connection)


def actor_of(connection: Connection) -> str:
    """The id of the key that a request came with.

    Raises:
        Unauthorized: it was not let in by the wrapper.
    """
    actor = connection.scope.get("state", {}).get(ACTOR)
    if not isinstance(actor, str):
        raise _unauthorized()
    return actor


class Attempts:
    """The failed attempts of each address within the last minute, by `clock`, which counts seconds.

    Of more than 10,000 addresses the one that failed longest ago is forgotten.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def refuse(self, scope: Scope) -> None:
        """Log and count a failed attempt. One too many is neither: else it would fill the log, and never end.

        Raises:
            TooManyAttempts: there have been ten.
            Unauthorized: there have been fewer.
        """
        # The peer's address: a header such as X-Forwarded-For is the caller's own word.
        client = peer[0] if (peer := scope["client"]) else ""
        now = self._clock()
        times = self._times.pop(client, deque(maxlen=MAX_ATTEMPTS))
        self._times[client] = times  # behind all others: a dict keeps the order
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        if len(times) == MAX_ATTEMPTS:
            wait_s = math.ceil(times[0] + WINDOW_S - now)
            raise TooManyAttempts(
                f"at most {MAX_ATTEMPTS} admin requests without a right key are looked at in {WINDOW_S:.0f} s, "
                f"got one more; the next is in {wait_s} s",
                retry_after_s=wait_s,
            )
        times.append(now)
        if len(self._times) > MAX_CLIENTS:
            del self._times[next(iter(self._times))]
        logger.warning(
            "an admin request was refused",
            extra={"client": client, "path": scope["path"], "attempts": len(times)},
        )
        raise _unauthorized()


def _is_admin(scope: Scope) -> bool:
    segments = tuple(segment for segment in scope["path"].split("/") if segment)
    return scope["type"] == ScopeType.HTTP and any(segments[: len(root)] == root for root in ROOTS)


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key of the one Authorization header; None where there are none or several, or it is of another scheme."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, key = given[0].partition(b" ")
    return key.strip(b" ") if scheme.lower() == b"bearer" else None


def _unauthorized() -> Unauthorized:
    return Unauthorized("an admin request must have one header Authorization: Bearer <key> with a key of this service")
