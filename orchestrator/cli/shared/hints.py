"""Command lines to print as the next step."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from orchestrator.cli.shared.options import storage_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder


def command(verb: str, folder: SweepFolder) -> str:
    """Return the command line of ``verb`` for a sweep, with --storage unless it is the default."""
    words = ["segsweep", verb, folder.sweep_id]
    root = folder.root.absolute()
    if root != storage_root(None):
        words += ["--storage", str(root)]
    return shlex.join(words)


def spec_command(
    verb: str, spec: Path | None, overrides: Sequence[str], preset: str | None = None
) -> str:
    """Return the command line of ``verb`` for a spec file, a preset and overrides."""
    words = ["segsweep", verb, *([] if spec is None else [str(spec)])]
    words += [] if preset is None else ["--preset", preset]
    for setting in overrides:
        words += ["--set", setting]
    return shlex.join(words)
