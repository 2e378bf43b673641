"""The last ledger event written to a tracking store, kept on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """The last event written to the store, and the sweep's run there."""

    seq: int = 0
    """Sequence number in the ledger; 0 before the first event."""
    run_id: str = ""
    """Run of the sweep; a different run in the store means that the store was replaced."""


def load_cursor(path: Path) -> Cursor:
    """Return the cursor at ``path``, or the initial one if it cannot be read."""
    try:
        values = json.loads(path.read_text())
        return Cursor(seq=int(values["seq"]), run_id=str(values["run_id"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Cursor()


def save_cursor(path: Path, cursor: Cursor) -> None:
    """Write ``cursor`` to ``path`` atomically."""
    write_atomically(path, json.dumps(asdict(cursor)).encode())
