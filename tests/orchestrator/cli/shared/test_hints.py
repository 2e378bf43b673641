from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.shared.hints import command, spec_command
from orchestrator.ledger.folders import SweepFolder

if TYPE_CHECKING:
    import pytest


def test_a_hint_names_the_storage_where_it_is_not_found_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSWEEP_STORAGE", str(tmp_path))
    assert command("resume", SweepFolder(tmp_path, "demo-1")) == "segsweep resume demo-1"
    elsewhere = SweepFolder(tmp_path / "my runs", "demo-1")
    assert command("ui", elsewhere) == f"segsweep ui demo-1 --storage '{tmp_path}/my runs'"


def test_a_hint_repeats_spec_preset_and_overrides() -> None:
    assert spec_command("plan", None, ()) == "segsweep plan"
    settings = ("budget.trials=3", "constraints=[flops <= 1e9]")
    assert spec_command("run", Path("a b.yaml"), settings, "kim") == (
        "segsweep run 'a b.yaml' --preset kim --set budget.trials=3 "
        "--set 'constraints=[flops <= 1e9]'"
    )
