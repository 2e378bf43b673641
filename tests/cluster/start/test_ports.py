from __future__ import annotations

import socket

import pytest

from cluster.start.ports import reserved_ports


def test_two_reservations_at_once_share_no_port() -> None:
    with reserved_ports(4) as one, reserved_ports(4) as other:
        assert len({*one, *other}) == 8


def test_a_reserved_port_is_open_to_a_server_that_reuses_addresses_alone() -> None:
    with reserved_ports(1) as (port,):
        with socket.socket() as plain, pytest.raises(OSError, match="in use"):
            plain.bind(("127.0.0.1", port))
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen()
            socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_reserved_port_is_not_assigned_to_a_bind_of_any_port() -> None:
    with reserved_ports(4) as ports:
        for _ in range(2000):
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", 0))
                assert other.getsockname()[1] not in ports
