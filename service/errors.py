"""What can be wrong with a request besides its rows, and what the service can lack. `problems` maps them to statuses.

CallerError
├── MalformedBody       the body is not JSON
├── InvalidBody         JSON, but not of the shape {"instances": [row, …]}
├── BodyTooLarge        too many bytes or too many rows
└── UnsupportedBody     not application/json, or encoded
LitetError
└── NotReady            no model can answer, or the process is stopping
"""

from __future__ import annotations

from contract.errors import CallerError, LitetError


class MalformedBody(CallerError):
    """A body that is no JSON text: bad syntax, bad UTF-8, nested too deeply, or cut off."""


class InvalidBody(CallerError):
    """JSON of another shape than `{"instances": [row, …]}`."""


class BodyTooLarge(CallerError):
    """A body of more bytes or more rows than the settings allow."""


class UnsupportedBody(CallerError):
    """A body whose headers say that it is not plain `application/json`."""


class NotReady(LitetError):
    """Nothing wrong with the request: no model is loaded that could answer it, or the process is stopping."""
