"""The addresses that a service listens on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from contract.errors import InvalidSettings

BACKLOG = 2048


class Address(NamedTuple):
    """What a name and a port stand for, in the socket module's terms."""

    family: int
    address: Any

    def __str__(self) -> str:
        host, port = self.address[:2]
        return authority(host, port)

    def with_port(self, port: int) -> Address:
        """The same with another port."""
        return Address(self.family, (self.address[0], port, *self.address[2:]))


def resolve(host: str, port: int) -> Address:
    """The address that is meant. A name of several, as `localhost` often is, means the first of version 4.

    Raises:
        OSError: there is no such name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _kind, _protocol, _name, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return Address(family, address)


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. From here on connections wait rather than fail until a worker takes them.

    Raises:
        InvalidSettings: the address cannot be listened on.
    """
    listener = _bind(host, port, "LITET_PORT", lambda bound: bound.listen(BACKLOG))
    listener.set_inheritable(True)
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """A socket that keeps the port for gRPC, which listens for itself in each worker, and takes no connections.

    Raises:
        InvalidSettings: the address cannot be listened on.
    """
    return _bind(host, port, "LITET_GRPC_PORT", _share)


def _share(bound: socket.socket) -> None:
    # Once it is bound: before, a port that somebody else shares would do, and he would get some of our connections.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _bind(host: str, port: int, variable: str, prepare: Callable[[socket.socket], None]) -> socket.socket:
    try:
        family, address = resolve(host, port)
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            prepare(bound)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidSettings(
            f"LITET_HOST and {variable} must be free to listen on, got {host}:{port}: {reason}"
        ) from None
    return bound
