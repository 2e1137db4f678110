"""The entry of a serving process: sockets, signals, workers."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from contract.errors import InvalidSettings
from contract.repository import Repository
from service import logs
from service.admin import lifeline
from service.metrics_folder import metrics_folder, metrics_parent
from service.protocol import Protocol
from service.rpc.extra import check_installed
from service.settings import Settings, unknown_variables
from service.sockets import authority, listen, reserve

logger = logging.getLogger(__name__)

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
KEEP_ALIVE_S = 75
"""Longer than load balancers keep idle connections (60 s is common): the side that reuses them should close them."""
SWITCH_INTERVAL_S = 0.0005
"""How long the thread of a large body may keep the interpreter while the event loop wants it; Python's own 5 ms is as
long as ten thousand rows take."""
START_UP_S = 30
"""Within which a worker must answer its supervisor, or it counts as hung; a busy machine starts slowly."""
PR_SET_PDEATHSIG = 1


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Workers are told the settings through the environment.

    Raises:
        InvalidSettings: the address cannot be listened on, or gRPC is asked for and not installed.
        SystemExit: with 0 once stopped by SIGTERM, with 3 where the app could not start.
    """
    logs.configure(settings.log_level)
    for variable, meant in unknown_variables(os.environ).items():
        logger.warning("not a setting", extra={"variable": variable, "meant": meant})
    signal.signal(signal.SIGTERM, _exit)
    with contextlib.ExitStack() as cleanup:
        listener = cleanup.enter_context(listen(settings.host, settings.port))
        if settings.grpc_port is not None:
            check_installed()
            holder = cleanup.enter_context(reserve(settings.host, settings.grpc_port))
            settings = msgspec.structs.replace(settings, grpc_port=holder.getsockname()[1])
        if settings.has_admin:
            os.environ[lifeline.VARIABLE] = str(cleanup.enter_context(_lifeline(settings)))
        _announce(settings, listener.getsockname()[1])
        os.environ.update(settings.to_env())
        if settings.workers == 1:
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped
                uvicorn.Server(_config(settings)).run([listener])
        else:
            with metrics_folder(metrics_parent()) as folder:
                os.environ[METRICS_VARIABLE] = str(folder)
                Supervisor(_config(settings), [listener]).run()


class Supervisor(Multiprocess):
    """uvicorn's, but for what it holds on to.

    Once its workers are told to stop, it lets go of the listener: else the kernel would go on accepting connections
    that nobody serves, until the last worker has finished. And it closes the workers' ends of the pipes that it asks
    them through: else one that dies while it is asked would be waited for as long as one that hangs, and any signal
    with it.
    """

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died."""
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Tell the workers to stop."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()


def worker_app() -> Callable[..., Awaitable[None]]:
    """The ASGI app of one worker, by the environment. Any ASGI server can call this factory."""
    settings = Settings.from_env(os.environ)
    # Else onnxruntime, once imported, writes an id below the home folder and reports its use to its maker.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Else gRPC's core writes lines of its own between those of our log; what matters of them comes as an exception.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logs.configure(settings.log_level)
    if settings.workers > 1:
        _stop_with_parent()
    # Imported here because prometheus_client reads its folder's variable when it is imported, and because a
    # supervisor, which only looks after its workers, needs neither Litestar nor onnxruntime.
    from service.app import create_app  # noqa: PLC0415

    paths = [os.environ.get(variable) for variable in (METRICS_VARIABLE, lifeline.VARIABLE)]
    app = create_app(settings, *(Path(path) if path else None for path in paths))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # What is there now stays for good; the garbage collector need not look through it while requests wait.
    gc.collect()
    gc.freeze()
    return app


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "service.server:worker_app",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        timeout_worker_healthcheck=START_UP_S,
    )


@contextlib.contextmanager
def _lifeline(settings: Settings) -> Iterator[Path]:
    with contextlib.ExitStack() as cleanup:
        try:
            path = cleanup.enter_context(lifeline.lifeline(settings.state_folder.absolute()))
        except OSError as error:
            raise InvalidSettings(
                f"LITET_STATE must be a folder that can be written to, got {settings.state_folder}: {error.strerror}"
            ) from None
        yield path


def _announce(settings: Settings, port: int) -> None:
    addresses = {"url": f"http://{authority(settings.host, port)}"}
    if settings.grpc_port is not None:
        addresses["grpc"] = authority(settings.host, settings.grpc_port)
    logger.info("listening", extra={**addresses, "workers": settings.workers})
    try:
        names = Repository(settings.models).names()
    except OSError as error:
        logger.warning("the model repository cannot be read", extra={"error": str(error)})
        return
    if not names:
        logger.warning(
            "no model yet: train and promote one, or point LITET_MODELS at a model repository",
            extra={"models": str(settings.models.absolute())},
        )


def _exit(_number: int, _frame: object) -> None:
    """A stop that was asked for is a success. uvicorn, once it has finished, raises its signals again: into this."""
    sys.exit(0)


def _stop_with_parent() -> None:
    """Have the kernel stop this worker when its supervisor dies, even by SIGKILL: it would serve on, unsupervised."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
