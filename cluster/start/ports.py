"""Free ports for the agents of a local Ray."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reserved_ports(count: int, host: str = "127.0.0.1") -> Iterator[tuple[int, ...]]:
    """Yield distinct free ports of ``host`` that no other reservation gets in the block.

    Each port stays bound without listening. A server that sets ``SO_REUSEADDR``, as Ray's agents
    do, can still listen on it. The operating system does not assign it to a bind of port 0.

    Args:
        count: Number of ports, >= 1.
        host: Address on which the servers will listen.
    """
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for server in bound:
            server.bind((host, 0))
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield tuple(int(server.getsockname()[1]) for server in bound)
