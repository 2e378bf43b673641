"""The temporary folder of a local Ray: its sockets, logs and spilled objects."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "RAY_TMPDIR"
"""Environment variable with the folder; where it is set, no other folder is tried."""
_SOCKET_BYTES = 107
"""Longest path of a Unix socket, bytes (``sun_path`` of Linux without the final zero)."""
_SESSION = "/ray/session_2026-01-31_12-00-00_000000_4194304/sockets/plasma_store"
"""Longest path that Ray creates below the folder; 4194304 is Linux's largest process id."""
LONGEST = _SOCKET_BYTES - len(_SESSION)
"""Longest path of the folder, bytes."""
_LEAST_FREE = 64 * 2**20
"""Space for the logs of a start, bytes; a session without trials wrote 3 MiB."""
_PROBE_BYTES = 2**16


def ray_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for Ray's sessions: ``ray`` below the first usable temporary folder.

    Where ``RAY_TMPDIR`` is set, only its folder is tried; else ``TMPDIR``, ``/tmp``, ``/var/tmp``.

    Raises:
        ClusterError: no folder is usable; the message has the reason of each.
    """
    chosen = environment.get(VARIABLE)
    candidates = [chosen] if chosen else [environment.get("TMPDIR"), "/tmp", "/var/tmp"]  # noqa: S108
    faults = {}
    for candidate in filter(None, candidates):
        folder = Path(candidate).expanduser().absolute()
        fault = folder_fault(folder)
        if fault is None:
            return folder / "ray"
        faults[str(folder)] = fault
    reasons = "; ".join(f"{folder} {fault}" for folder, fault in faults.items())
    raise ClusterError(
        f"a local Ray has no temporary folder: {reasons}; set {VARIABLE} to a folder with a path "
        f"of at most {LONGEST} bytes on a local disk with free space, such as {VARIABLE}=/tmp"
    )


def folder_fault(folder: Path) -> str | None:
    """Return why Ray cannot use ``folder``, as the predicate of a sentence; None where it can."""
    length = len(os.fsencode(folder))
    if length > LONGEST:
        return (
            f"has a path of {length} bytes, and Ray's Unix sockets below it allow at most {LONGEST}"
        )
    try:
        (folder / "ray").mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder / "ray").free
        if free < _LEAST_FREE:
            return f"has {free / 2**20:.0f} MiB of free space, and Ray needs {_LEAST_FREE >> 20}"
        _probe(folder / "ray")
    except OSError as error:
        return f"cannot be used ({error.strerror or error})"
    return None


def _probe(folder: Path) -> None:
    """Write a file and bind a Unix socket below ``folder``; raise the OSError of a failure."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=folder) as name:
        with (Path(name) / "file").open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            os.fsync(file.fileno())
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(Path(name) / "s"))
