"""How far a ledger has been written to a tracking store, kept on disk."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """The last event that stands in the store, with the run it stands in."""

    seq: int = 0
    """Sequence number in the ledger; 0 before the first event."""
    run_id: str = ""
    """The sweep's run; another one there means that the store begins anew."""


def load_cursor(path: Path) -> Cursor:
    """Return the cursor kept at ``path``; the beginning where there is none that can be read."""
    try:
        found = json.loads(path.read_text())
        return Cursor(seq=int(found["seq"]), run_id=str(found["run_id"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Cursor()


def save_cursor(path: Path, cursor: Cursor) -> None:
    """Keep ``cursor`` at ``path``; a crash leaves the one before or this one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(asdict(cursor)))
    os.replace(draft, path)  # noqa: PTH105 - the one call that is atomic on every system
