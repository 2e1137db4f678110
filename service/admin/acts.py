"""What somebody with a key does, and the audit log's word for it: first the entry, then the act."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator

from contract.errors import LitetError
from service.admin.audit import Audit

logger = logging.getLogger(__name__)

MAX_REASON = 200


@contextlib.contextmanager
def recorded(audit: Audit, actor: str, action: str, subject: str) -> Iterator[None]:
    """Record an act that is done inside. Where it then fails, a second entry says so. Blocks for the disk.

    Raises:
        OSError: the log cannot be written. The act is not done.
    """
    audit.record(actor, action, subject, {})
    try:
        yield
    except (LitetError, OSError) as error:
        _record_failure(audit, actor, action, subject, error)
        raise


@contextlib.asynccontextmanager
async def recorded_aside(audit: Audit, actor: str, action: str, subject: str) -> AsyncIterator[None]:
    """As `recorded`, for an act on the event loop: a thread waits for the disk."""
    await asyncio.to_thread(audit.record, actor, action, subject, {})
    try:
        yield
    except (LitetError, OSError) as error:
        await asyncio.to_thread(_record_failure, audit, actor, action, subject, error)
        raise


def _record_failure(audit: Audit, actor: str, action: str, subject: str, error: Exception) -> None:
    reason = (error.strerror or "") if isinstance(error, OSError) else str(error)
    try:
        audit.record(actor, f"{action}.failed", subject, {"reason": reason[:MAX_REASON]})
    except OSError:  # what the act itself failed of is what its caller has to know
        logger.exception("the audit log cannot be written", extra={"action": action, "subject": subject})
