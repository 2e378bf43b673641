"""Exporting artifacts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.driver.exporting import (
    ExportResult,
    export_trials,
    missing_note,
    settle_formats,
    wanted_trials,
)
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.spec.parse import load_spec
from orchestrator.spec.sweep_spec import Artifacts
from trainables.export import jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Objective

pytestmark = pytest.mark.ray  # it starts none, but imports it


def test_the_knee_comes_first(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    report = build_report(fold(demo_events(12)), objectives, sweep_id="s")
    spec = load_spec()
    chosen = {
        trials: wanted_trials(replace(spec, artifacts=Artifacts(trials=trials)), report)
        for trials in ("front", "knee", "none")
    }
    assert set(chosen["front"]) == {row.trial_id for row in report.front}
    assert chosen["front"][0] == report.knee
    assert chosen["knee"] == (report.knee,)
    assert chosen["none"] == ()
    empty = build_report(fold([]), objectives, sweep_id="s")
    assert wanted_trials(replace(spec, artifacts=Artifacts()), empty) == ()


def test_a_missing_exporter_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "NEEDS", {**jobs.NEEDS, "pte": ("no_such_library",), "onnx": ()})
    assert settle_formats(None) == ("onnx", "pt2")
    assert settle_formats(("pte", "pt2")) == ("pt2",)
    assert missing_note(("onnx",)) is None
    note = missing_note(None)
    assert note is not None
    assert "no .pte" in note
    assert "no_such_library" in note
    assert "pip install 'segsweep[compression]'" in note


def test_nothing_to_write_starts_no_process(tmp_path: Path) -> None:
    from orchestrator.sweep.hooks import RunHooks

    folder = SweepFolder(tmp_path, "s")
    assert export_trials(load_spec(), folder, (), ("pt2",), RunHooks()) == ExportResult()


@pytest.mark.slow
def test_a_trial_without_weights_is_reported_as_a_problem(tmp_path: Path) -> None:
    from orchestrator.sweep.hooks import RunHooks

    spec = load_spec(overrides=[f"storage.root={tmp_path}"])
    found = export_trials(spec, SweepFolder(tmp_path, "s"), ("t0",), ("pt2",), RunHooks())
    assert found.artifacts == {"t0": ()}
    assert not found.interrupted
    assert "artifacts of t0:" in found.problems[0]
