from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.folders import UnknownSweepError
from orchestrator.ledger.mirroring.fetch import fetch_sweep
from trainables.io.object_store import ObjectStore

if TYPE_CHECKING:
    from pathlib import Path


def test_missing_and_ambiguous_sweeps_raise(store_address: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownSweepError, match="no sweep at"):
        fetch_sweep(store_address, None, tmp_path)
    for name in ("a-1", "b-1"):
        ObjectStore(store_address).write(f"sweeps/{name}/ledger.db", b"")
    with pytest.raises(UnknownSweepError, match="name one of a-1, b-1"):
        fetch_sweep(store_address, None, tmp_path)
    with pytest.raises(UnknownSweepError, match="there is no sweep 'c'"):
        fetch_sweep(store_address, "c", tmp_path)
