"""A run of a sweep around its search, which is replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.driver import launch as module
from orchestrator.driver.exporting import ExportResult
from orchestrator.driver.launch import run_request
from orchestrator.driver.request import RunRequest
from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialStarted
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.identity import FINISHED, SpecChangedError
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.files import DATA_WARNINGS
from orchestrator.spec.parse import load_spec, settle_spec
from orchestrator.sweep.hooks import RunHooks, RunSummary

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.ray  # it starts none, but imports it


def request_of(root: Path, *settings: str, folder: SweepFolder | None = None) -> RunRequest:
    spec = settle_spec(load_spec(overrides=[f"storage.root={root}", "teacher=null", *settings]))
    data: Any = SimpleNamespace(class_names=("road", "sky"), digest="d1g35t")
    return RunRequest(
        spec=spec, pinned_spec=spec, data=data, data_warnings=("few images",), folder=folder
    )


class FakeTracker:
    """Stands in for MLflow."""

    def __init__(self, *_: object) -> None:
        self.writer = SimpleNamespace(cursor=0, on_event=lambda *_, **__: None)
        self.problems = ("MLflow is unavailable",)
        self.summaries: list[RunSummary | None] = []
        created.append(self)

    def close(self, summary: RunSummary | None) -> None:
        self.summaries.append(summary)


created: list[FakeTracker] = []


@pytest.fixture(autouse=True)
def _no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    created.clear()
    monkeypatch.setattr(module, "Tracker", FakeTracker)
    monkeypatch.setattr(module, "log_artifacts_of", lambda *_: ())


def search(monkeypatch: pytest.MonkeyPatch, summary: RunSummary) -> None:
    """Replace the search by one complete trial and ``summary``."""

    def run_sweep(_: object, folder: SweepFolder, *, num_classes: int, hooks: RunHooks) -> Any:
        assert num_classes == 2
        assert len(hooks.listeners) == 1
        with Ledger(folder.ledger) as ledger:
            if next(iter(ledger.events()), None) is None:
                ledger.append(TrialAsked(trial_id="t0", number=0, config={"arch": "lraspp"}))
                ledger.append(TrialStarted(trial_id="t0"))
                figures = {"miou": 0.4, "latency_ms": 5.0, "flops": 1e9}
                ledger.append(TrialEnded(trial_id="t0", state="complete", metrics=figures))
        return summary

    monkeypatch.setattr(module, "run_sweep", run_sweep)


def export(monkeypatch: pytest.MonkeyPatch, result: ExportResult) -> list[int]:
    calls: list[int] = []

    def export_artifacts(*_: object) -> ExportResult:
        calls.append(1)
        return result

    monkeypatch.setattr(module, "export_artifacts", export_artifacts)
    return calls


def is_finished(folder: SweepFolder) -> object:
    with Ledger(folder.ledger) as ledger:
        return ledger.fact(FINISHED)


def test_a_new_sweep_is_written_searched_exported_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(monkeypatch, RunSummary(interrupted=False, lane_faults=("lane 0 died",)))
    calls = export(monkeypatch, ExportResult(problems=("no .pte artifacts",)))
    result = run_request(request_of(tmp_path), RunHooks())
    assert calls == [1]
    assert not result.interrupted
    assert result.problems == ("lane 0 died", "no .pte artifacts", "MLflow is unavailable")
    assert result.report.completed == 1
    assert load_spec(result.folder.spec) == request_of(tmp_path).spec
    assert all(path.is_file() for path in result.files)
    assert is_finished(result.folder) is True
    with Ledger(result.folder.ledger) as ledger:
        assert ledger.fact(DATA_WARNINGS) == ["few images"]


@pytest.mark.parametrize("part", ["search", "export"])
def test_an_interrupted_part_leaves_the_sweep_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    search(monkeypatch, RunSummary(interrupted=part == "search"))
    calls = export(monkeypatch, ExportResult(interrupted=part == "export"))
    result = run_request(request_of(tmp_path), RunHooks())
    assert result.interrupted
    assert len(calls) == (part == "export")
    assert is_finished(result.folder) is False
    (tracker,) = created
    (summary,) = tracker.summaries
    assert summary is not None
    assert summary.interrupted


def test_a_resumed_sweep_keeps_its_folder_and_refuses_another_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(monkeypatch, RunSummary(interrupted=False))
    export(monkeypatch, ExportResult())
    first = run_request(request_of(tmp_path), RunHooks())
    again = run_request(request_of(tmp_path, folder=first.folder), RunHooks())
    assert again.folder == first.folder
    assert again.report.completed == 1
    other = request_of(tmp_path, "budget.trials=77", folder=first.folder)
    with pytest.raises(SpecChangedError, match=r"budget\.trials"):
        run_request(other, RunHooks())


def test_an_error_of_the_search_closes_the_tracker_and_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Ray is gone")

    monkeypatch.setattr(module, "run_sweep", fail)
    with pytest.raises(RuntimeError, match="Ray is gone"):
        run_request(request_of(tmp_path), RunHooks())
    (tracker,) = created
    assert tracker.summaries == [None]
    (folder,) = (tmp_path / "sweeps").iterdir()
    assert is_finished(SweepFolder(tmp_path, folder.name)) is False
