"""The location of a worker: its node and its GPUs."""

from __future__ import annotations

import os
import socket

from cluster.telemetry.readings import list_gpus, visible_gpus


def worker_location() -> dict[str, object]:
    """Return ``node``, ``pid`` and ``gpus``, the identities of this process's visible GPUs."""
    return {
        "node": socket.gethostname(),
        "pid": os.getpid(),
        "gpus": list(visible_gpus(os.environ, list_gpus())),
    }
