"""Addresses that are taken, and the port that several listen on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest

from contract.errors import InvalidSettings
from service.sockets import authority, listen, reserve, resolve

HOST = "127.0.0.1"


def listener_that_shares(port: int) -> socket.socket:
    """A socket such as gRPC's."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((HOST, port))
    listener.listen()
    return listener


@pytest.mark.parametrize(("take", "variable"), [(listen, "LITET_PORT"), (reserve, "LITET_GRPC_PORT")])
@pytest.mark.parametrize("is_shared", [False, True])
def test_a_port_that_is_taken_is_an_error_in_one_line(
    take: Callable[[str, int], socket.socket], variable: str, is_shared: bool
) -> None:
    with listener_that_shares(0) if is_shared else socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSettings) as caught:
            take(HOST, port)
    rule = f"LITET_HOST and {variable} must be free to listen on"
    assert str(caught.value) == f"{rule}, got {HOST}:{port}: Address already in use"


@pytest.mark.parametrize("take", [listen, reserve])
def test_a_host_that_is_none_is_an_error_in_one_line(take: Callable[[str, int], socket.socket]) -> None:
    with pytest.raises(InvalidSettings, match="LITET_HOST"):
        take("300.0.0.1", 0)


def test_workers_share_a_reserved_port_whose_holder_takes_no_connections() -> None:
    with reserve(HOST, 0) as holder:
        address = holder.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with listener_that_shares(address[1]), listener_that_shares(address[1]) as second:
            second.close()
            with contextlib.ExitStack() as connections:
                for _ in range(10):
                    connections.enter_context(socket.create_connection(address))


def test_a_reserved_port_can_be_had_by_nobody_else() -> None:
    with reserve(HOST, 0) as holder:
        port = holder.getsockname()[1]
        with listener_that_shares(port):
            for take in (listen, reserve):
                with pytest.raises(InvalidSettings):
                    take(HOST, port)
        with pytest.raises(OSError, match="in use"), socket.socket() as other:
            other.bind((HOST, port))


def test_addresses_are_written_as_in_a_url() -> None:
    assert (authority("localhost", 80), authority("::1", 80)) == ("localhost:80", "[::1]:80")
    assert str(resolve(HOST, 80)) == "127.0.0.1:80"
    assert str(resolve("::1", 80).with_port(81)) == "[::1]:81"
