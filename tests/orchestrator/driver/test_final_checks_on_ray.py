"""A whole sweep with a test split on a local Ray, stopped before its front is scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from orchestrator.driver.launch import launch
from orchestrator.ledger.events import SweepEvent, TrialEnded, TrialExamined
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import load_spec
from orchestrator.sweep.hooks import RunHooks

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.spec.sweep_spec import SweepSpec

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.e2e]
TRIALS = 3


@dataclass
class Follower:
    """Keeps what happens now; asks for an end after so many trials."""

    stop_after: int = 10**6
    events: list[SweepEvent] = field(default_factory=list)

    def on_event(self, event: SweepEvent, *_: object, replayed: bool = False) -> None:
        if not replayed:
            self.events.append(event)

    def stops(self) -> bool:
        return sum(isinstance(event, TrialEnded) for event in self.events) >= self.stop_after

    @property
    def examined(self) -> list[str]:
        return [event.trial_id for event in self.events if isinstance(event, TrialExamined)]


def spec_of(root: Path) -> SweepSpec:
    return load_spec(
        None,
        overrides=[
            f"storage.root={root}",
            "data.synthetic_train_images=8",
            "data.synthetic_val_images=4",
            "data.synthetic_test_images=5",
            "data.test_split=test",
            "space.resolution=[32x64, 64x96]",
            "space.output_stride=32",
            "space.batch_size=4",
            f"budget.trials={TRIALS}",
            "budget.epochs=1",
            "teacher=null",
            "objectives={miou: maximize, flops: minimize}",
            "target.repeats=2",
            "resources.lanes=1",
            "artifacts.trials=none",
        ],
    )


def test_a_sweep_stopped_before_its_front_is_scored_scores_it_once_when_it_resumes(
    tmp_path: Path,
) -> None:
    spec = spec_of(tmp_path)
    first, second, third = Follower(TRIALS), Follower(), Follower()
    stopped = launch(spec, hooks=RunHooks(stop_requested=first.stops, listeners=(first,)))
    assert stopped.interrupted
    assert not first.examined
    assert stopped.report.held_out is None
    resumed = launch(spec, hooks=RunHooks(listeners=(second,)), folder=stopped.folder)
    assert not resumed.interrupted, resumed.problems
    front = {row.trial_id for row in resumed.report.front}
    assert len(front) >= 1
    assert all(isinstance(event, TrialExamined) for event in second.events)
    assert sorted(second.examined) == sorted(front)
    assert all(0 < (row.test_miou or 0) < 1 for row in resumed.report.front)
    again = launch(spec, hooks=RunHooks(listeners=(third,)), folder=stopped.folder)
    assert not third.events
    assert again.report.held_out == resumed.report.held_out
    with Ledger(stopped.folder.ledger) as ledger:
        kept = [event for _, event in ledger.events() if isinstance(event, TrialExamined)]
    assert sorted(event.trial_id for event in kept) == sorted(front)
    client = MlflowClient(spec.tracking_uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "segsweep"]
    runs = {
        run.data.tags.get("trial.id"): run for run in client.search_runs([experiment.experiment_id])
    }
    for row in resumed.report.front:
        assert runs[row.trial_id].data.metrics["test_miou"] == row.test_miou
    tau = resumed.report.held_out and resumed.report.held_out.kendall_tau
    assert runs[None].data.metrics.get("test_kendall_tau") == tau
