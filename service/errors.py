"""What can be wrong with a request besides its rows, and what the service can lack. `problems` maps them to statuses.

CallerError
├── MalformedBody       the body is no JSON, empty, or cut off
├── InvalidBody         the body, or a header beside it, does not say what the route needs
├── BodyTooLarge        too many bytes or too many rows
├── NotAcceptable       no format that is written would do for the caller
├── NoPredictionSets    a version without calibration rows was asked for prediction sets
├── NoDecision          a version without a rule was asked for its decision
├── UnsupportedBody     another Content-Type than the route takes, or encoded
├── Unauthorized        no admin key, or a wrong one
├── TooManyAttempts     wrong admin keys from one address, again and again
└── Conflict            it cannot be done in the state that things are in
InvalidRows (contract.errors)
└── NotFinite           rows whose answer would not be finite
LitetError
├── NotReady            no model can answer, or the process is stopping
│   └── ReportedNotReady   the same, where readiness is what was asked for
├── UnusableArtifact    what is wrong with a file of the repository, as its keepers may know
├── TrainerUnavailable  the trainer's interpreter cannot do what it is for
└── StorageFailed       a disk is full, or fails
"""

from __future__ import annotations

from contract.errors import CallerError, InvalidRows, LitetError


class MalformedBody(CallerError):
    """A body that cannot be read at all: no JSON text where that is wanted, an empty table, or one that was cut off."""


class InvalidBody(CallerError):
    """JSON, or a header, of another shape or content than the route is documented with."""


class BodyTooLarge(CallerError):
    """A body of more bytes or more rows than the settings allow."""


class UnsupportedBody(CallerError):
    """A body whose headers say that it is of another type than the route takes, or encoded."""


class NotAcceptable(CallerError):
    """An `Accept` header that allows no format of the answer."""


class NoPredictionSets(CallerError):
    """Prediction sets of a version that has no rows to calibrate them by."""


class NoDecision(CallerError):
    """The decision of a version that has no rule to decide by."""


class Unauthorized(CallerError):
    """An admin request without a key, or with a wrong one."""


class TooManyAttempts(CallerError):
    """An admin request with a wrong key after many others. After `retry_after_s` seconds the next one is looked at."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Conflict(CallerError):
    """What was asked for cannot be done in the state that things are in, but could be in another."""


class NotReady(LitetError):
    """Nothing wrong with the request: no model is loaded that could answer it, or the process is stopping."""


class ReportedNotReady(NotReady):
    """The answer of a route of the Open Inference Protocol that asks for readiness: there, no is a 400."""


class NotFinite(InvalidRows):
    """Rows that fit the model, but whose values are so large that its answer would not be finite."""


class UnusableArtifact(LitetError):
    """A file of the repository that an admin request needs is damaged; the message says how."""


class TrainerUnavailable(LitetError):
    """The interpreter that trains does not start, or lacks what training needs."""


class StorageFailed(LitetError):
    """What was asked for could not be written: a disk is full, or fails."""
