"""The floor: reads nothing, computes nothing, answers a fixed body as JSON. `echo_app.py PORT BODY_FILE PROTOCOL`.

`PROTOCOL` is `litet` for the connection class that litet serves with, `uvicorn` for uvicorn's own. Everything else is
as in `service.server`. It stands here as a copy, so that the floor stays where it is when litet's own settings change.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn

BODY = Path(sys.argv[2]).read_bytes()
START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
END: dict[str, Any] = {"type": "http.response.body", "body": BODY}


async def app(scope: dict[str, Any], _receive: object, send: Any) -> None:
    """Answer any HTTP request alike. uvicorn is told on start that there is no lifespan."""
    if scope["type"] == "http":
        await send(START)
        await send(END)


def main() -> None:
    """Serve until SIGTERM."""
    if sys.argv[3] == "litet":
        from service.protocol import Protocol

        http: Any = Protocol
    else:
        http = "httptools"
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http=http, ws="none", lifespan="off",
        log_config=None, log_level="info", access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=75,
    )  # fmt: skip


if __name__ == "__main__":
    main()
