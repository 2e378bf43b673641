from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.info import SweepInfo

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.events import Objective


@pytest.fixture
def info(tmp_path: Path, objectives: tuple[Objective, ...]) -> SweepInfo:
    return SweepInfo(
        sweep_id="demo-1",
        objectives=objectives,
        started_ms=1_700_000_000_000,
        trials_dir=tmp_path / "trials",
        seed=7,
        git_commit="0123abc",
        dataset_digest="d1g35t",
        versions={"torch": "2.15", "ray": "2.60"},
        spec_text="name: demo\n",
        workers_per_trial=2,
        epochs=4,
    )
