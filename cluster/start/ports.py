"""Free ports for the agents of a Ray that is started here."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reserved_ports(count: int, host: str = "127.0.0.1") -> Iterator[tuple[int, ...]]:
    """Yield free ports of ``host``, all different, which no other reservation gets meanwhile.

    Each port stays bound without listening. A server that sets ``SO_REUSEADDR``, as Ray's agents
    do, can still listen on it; the operating system gives it to no process that asks for any port.

    Args:
        count: Number of ports, >= 1.
        host: Address that the servers will listen on.
    """
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind((host, 0))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield tuple(int(each.getsockname()[1]) for each in bound)
