"""Commands that are printed as the next step."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from orchestrator.cli.sweeps import storage_root

if TYPE_CHECKING:
    from orchestrator.folders import SweepFolder


def command(verb: str, folder: SweepFolder) -> str:
    """Return the command line of ``verb`` for a sweep, with its storage where it is not found."""
    words = ["segsweep", verb, folder.sweep_id]
    root = folder.root.absolute()
    if root != storage_root(None):
        words += ["--storage", str(root)]
    return shlex.join(words)
