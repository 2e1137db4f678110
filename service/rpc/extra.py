"""Whether what gRPC needs is installed. Imports none of it."""

from __future__ import annotations

from importlib.util import find_spec

from contract.errors import InvalidSettings

PACKAGES = ("google.protobuf", "grpc", "grpc_health", "grpc_reflection", "open_inference")


def check_installed() -> None:
    """Whether the extra is there.

    Raises:
        InvalidSettings: it is not.
    """
    if missing := [name for name in PACKAGES if not _is_installed(name)]:
        raise InvalidSettings(f"LITET_GRPC_PORT needs litet[grpc] to be installed; lacks {', '.join(missing)}")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even its parent
        return False
