"""Ends the processes of a local Ray, so that none of them outlives this process."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

EXIT_SECONDS = 10.0
"""How long processes may take to exit before they are killed."""
_LOG = logging.getLogger(__name__)


@contextmanager
def killed_afterwards(
    pids: Callable[[], Iterable[int]], *, timeout_s: float = EXIT_SECONDS
) -> Iterator[None]:
    """Kill the process trees of ``pids``, as of now, that the block and the timeout leave alive.

    A worker of Ray occasionally hangs at its exit and keeps its memory.
    """
    processes = process_trees(pids())
    yield
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            _LOG.info("process %d of Ray did not exit and is killed", process.pid)
            process.kill()
    psutil.wait_procs(alive, timeout=EXIT_SECONDS)


def process_trees(pids: Iterable[int]) -> list[psutil.Process]:
    """Return the processes of ``pids`` with all their descendants."""
    processes: dict[int, psutil.Process] = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            processes |= {one.pid: one for one in (root, *root.children(recursive=True))}
    return list(processes.values())


def end_session(session: str) -> None:
    """Kill the children of this process that belong to a Ray session, with their descendants."""
    processes = process_trees(_children_of(session))
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=EXIT_SECONDS)


def _children_of(session: str) -> list[int]:
    """Return the children of this process with the session in their command line."""
    pids = []
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(session in word for word in process.cmdline()):
                pids.append(process.pid)
    return pids
