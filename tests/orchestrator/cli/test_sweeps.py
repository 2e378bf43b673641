from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from tests.orchestrator.cli.conftest import Outcome


def test_an_empty_list_prints_the_command_to_run_a_sweep(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("list")
    assert outcome.code == 0
    assert "segsweep run" in outcome.out
    assert json.loads(segsweep("list", "--json").out) == []


def test_a_sweep_is_a_line(
    segsweep: Callable[..., Outcome], finished: SweepFolder, tmp_path: Path
) -> None:
    listed = segsweep("list")
    assert f"{finished.sweep_id}  3       2         0.400      9 s" in listed.out
    assert listed.err.endswith(f"segsweep report {finished.sweep_id}\n")
    (row,) = json.loads(segsweep("list", "--json", "--storage", str(tmp_path / "runs")).out)
    assert row["path"] == str(finished.path)
    assert (row["trials"], row["completed"], row["best_miou"]) == (3, 2, 0.4)
