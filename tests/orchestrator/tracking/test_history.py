from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.tracking.history import History
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.info import SweepInfo

pytestmark = pytest.mark.slow


class ListSource:
    def __init__(self, events: Sequence[SweepEvent]) -> None:
        self._events = list(events)

    def events(self, after: int = 0) -> Iterator[tuple[int, SweepEvent]]:
        yield from list(enumerate(self._events, start=1))[after:]


def write(info: SweepInfo, uri: str, folder: Path, events: Sequence[SweepEvent]) -> None:
    store = MlflowStore(uri, info, artifact_root=folder / "artifacts")
    writer = MlflowWriter(
        info=info, events=ListSource(events), store=store, cursor_path=folder / info.sweep_id
    )
    writer.start()
    assert writer.close(status="FINISHED")


def test_what_was_written_is_read(
    info: SweepInfo,
    tmp_path: Path,
    demo_events: Callable[..., list[SweepEvent]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", raising=False)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    events = [
        replace(event, artifacts=()) if isinstance(event, TrialEnded) else event
        for event in demo_events(trials=6)
    ]
    write(info, uri, tmp_path, events)
    later = replace(info, sweep_id="demo-2", experiment="other", started_ms=info.started_ms + 1)
    write(replace(later, dataset_digest=None), uri, tmp_path, [])
    history = History(uri)
    capfd.readouterr()
    first, second = history.sweeps()
    assert not any(capfd.readouterr()), "MLflow draws bars where a sweep tells what it does"
    assert (first.sweep_id, second.sweep_id) == ("demo-1", "demo-2")
    assert (first.dataset_digest, second.dataset_digest) == ("d1g35t", None)
    assert first.spec_text == info.spec_text
    assert history.trials(second) == ()

    ends = {
        e.trial_id: e.state == "complete"
        for e in events
        if isinstance(e, TrialEnded) and e.state in {"complete", "stopped"}
    }
    assert set(ends.values()) == {True, False}
    trials = history.trials(first)
    assert history.trials(first) is trials, "each trial costs a query for its curve"
    assert history.sweeps() is history.sweeps()
    assert [(each.trial_id, each.complete) for each in trials] == list(ends.items())
    asked = {e.trial_id: e for e in events if isinstance(e, TrialAsked)}
    for trial in trials:
        config = asked[trial.trial_id].config
        assert trial.params == {name: str(value) for name, value in config.items()}
        told = [
            (e.epoch, e.metrics["miou"])
            for e in events
            if isinstance(e, EpochReported) and e.trial_id == trial.trial_id
        ]
        assert trial.curve == tuple(told)
        assert {"flops", "latency_ms"} <= trial.metrics.keys()
        assert trial.epoch_seconds == 5.0
        spans = [
            e.seconds
            for e in events
            if isinstance(e, TrialAsked | TrialEnded) and e.trial_id == trial.trial_id
        ]
        assert trial.seconds == pytest.approx(spans[1] - spans[0])
        assert "miou" in trial.metrics or not trial.complete


def test_an_empty_store_has_no_sweeps(tmp_path: Path) -> None:
    assert History(f"sqlite:///{tmp_path / 'mlflow.db'}").sweeps() == ()
