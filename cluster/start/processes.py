"""The processes of a Ray that this process started, so that none of them outlives it."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
from ray._private import worker

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAVING_SECONDS = 10.0
"""How long they may take to end by themselves."""
_LOG = logging.getLogger(__name__)


@contextmanager
def outlived_by_none() -> Iterator[None]:
    """End what is left of the local Ray a while after the block that shuts it down.

    Now and then a worker of Ray stands still at its own end, with all the memory that it has.
    """
    ours = _of_local_ray()
    yield
    _, left = psutil.wait_procs(ours, timeout=_LEAVING_SECONDS)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            _LOG.info("process %d of Ray did not end and is killed", process.pid)
            process.kill()
    psutil.wait_procs(left, timeout=_LEAVING_SECONDS)


def _of_local_ray() -> list[psutil.Process]:
    """Return the processes that ``ray.init`` started here, with all that these started."""
    node: Any = worker._global_node  # noqa: SLF001 - there is no other way to learn of them
    if node is None:
        return []
    found: dict[int, psutil.Process] = {}
    for started in node.all_processes.values():
        for each in started:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(each.process.pid)
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return list(found.values())


def end_session(session: str) -> None:
    """Kill the processes that this process started for that session of Ray, and theirs."""
    found: dict[int, psutil.Process] = {}
    for each in _children_of(session):
        with suppress(psutil.NoSuchProcess):
            found |= {one.pid: one for one in (each, *each.children(recursive=True))}
    for process in found.values():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found.values(), timeout=_LEAVING_SECONDS)


def _children_of(session: str) -> list[psutil.Process]:
    """Return the children of this process whose command line has the session; no dead one has."""
    found = []
    for each in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(session in word for word in each.cmdline()):
                found.append(each)
    return found
