"""The temporary folder that a local Ray keeps its sockets, logs and spilled objects in."""

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
"""Environment variable that names the folder; no other folder is tried where it is set."""
_SOCKET_BYTES = 107
"""Longest path of a Unix socket, bytes (``sun_path`` of Linux without the final zero)."""
_SESSION = "/ray/session_2026-01-31_12-00-00_000000_4194304/sockets/plasma_store"
"""The longest path that Ray puts below the folder; 4194304 is Linux's largest process id."""
LONGEST = _SOCKET_BYTES - len(_SESSION)
"""Longest path of the folder, bytes."""
_LEAST_FREE = 64 * 2**20
"""Space that the logs of a start need, bytes; a session without trials wrote 3 MiB."""
_PROBE_BYTES = 2**16


def ray_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for Ray's sessions: ``ray`` below the first usable temporary folder.

    That is the folder of ``RAY_TMPDIR`` alone where it is set. Otherwise the folder of ``TMPDIR``
    comes first, then ``/tmp`` and ``/var/tmp``.

    Raises:
        ClusterError: no folder can be used; each is named with the reason.
    """
    named = environment.get(VARIABLE)
    places = [named] if named else [environment.get("TMPDIR"), "/tmp", "/var/tmp"]  # noqa: S108
    faults = {}
    for place in filter(None, places):
        folder = Path(place).expanduser().absolute()
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
    """Return why Ray cannot keep its sessions below ``folder``, as a predicate; None if it can."""
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
    """Write a file and bind a Unix socket below ``folder``; an OSError says why that fails."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=folder) as name:
        with (Path(name) / "file").open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            os.fsync(file.fileno())
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(Path(name) / "s"))
