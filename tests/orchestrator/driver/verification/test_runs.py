from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.driver.verification.runs import run_findings
from orchestrator.tracking.history import RunFacts, TrackedSweep
from orchestrator.tracking.names import EPOCH_PREFIX, STATUS

if TYPE_CHECKING:
    from orchestrator.ledger.records import SweepRecords


def faithful(records: SweepRecords) -> TrackedSweep:
    runs = [
        RunFacts(
            run_id=f"run of {trial.trial_id}",
            trial_id=trial.trial_id,
            status=STATUS[trial.state],
            state=trial.state,
            ended=trial.ended,
            points={"epoch/miou": [(epoch, told["miou"]) for epoch, told in trial.history]},
            params={name: str(value) for name, value in trial.config.items()},
            artifacts=frozenset(trial.artifacts),
        )
        for trial in records.trials
    ]
    return TrackedSweep(sweep_runs=("sweep's run",), runs=tuple(runs))


def check(records: SweepRecords, tracked: TrackedSweep, *, behind: bool = False) -> list[str]:
    found = run_findings(
        records, tracked, statuses=STATUS, epoch_prefix=EPOCH_PREFIX, behind=behind
    )
    return [str(each) for each in found]


def test_faithful_runs_contradict_nothing(records: SweepRecords) -> None:
    assert {trial.state for trial in records.trials} >= {"running", "complete"}
    assert check(records, faithful(records)) == []


def test_lost_and_doubled_runs_are_found(records: SweepRecords) -> None:
    sound = faithful(records)
    first, *others = sound.runs
    assert check(records, TrackedSweep(runs=sound.runs)) == [
        "mlflow: sweep: has 0 runs of its own, not one"
    ]
    doubled = replace(sound, runs=(*sound.runs, replace(first, run_id="another")))
    assert check(records, doubled) == [f"mlflow: {first.trial_id}: has 2 runs, not one"]
    lost = replace(sound, runs=tuple(others))
    assert check(records, lost) == [f"mlflow: {first.trial_id}: has 0 runs, not one"]
    assert check(records, lost, behind=True) == []
    strange = replace(sound, runs=(*sound.runs, replace(first, trial_id="t00099")))
    assert check(records, strange) == ["mlflow: t00099: has a run but is not in the ledger"]


@pytest.mark.parametrize(
    ("change", "message", "even_behind"),
    [
        ({"status": "RUNNING"}, "its run has the status RUNNING", False),
        ({"state": "failed"}, "its run is marked failed", False),
        ({"ended": False}, "its run has no end", False),
        ({"params": {}}, "lacks the parameter size", False),
        ({"points": {}}, "has none of its 9 epochs", False),
        ({"points": {"epoch/miou": [(1, 0.2)]}}, "epoch/miou = 0.2 at epoch 1", True),
    ],
)
def test_what_a_run_has_otherwise_is_found(
    records: SweepRecords, change: dict[str, Any], message: str, *, even_behind: bool
) -> None:
    trial = records.complete[0]
    sound = faithful(records)
    runs = tuple(
        replace(run, **change) if run.trial_id == trial.trial_id else run for run in sound.runs
    )
    tracked = replace(sound, runs=runs)
    assert any(message in each for each in check(records, tracked))
    assert bool(check(records, tracked, behind=True)) == even_behind


def test_a_doubled_step_is_found(records: SweepRecords) -> None:
    sound = faithful(records)
    index = next(i for i, run in enumerate(sound.runs) if run.points["epoch/miou"])
    run = sound.runs[index]
    points = [*run.points["epoch/miou"], run.points["epoch/miou"][0]]
    runs = list(sound.runs)
    runs[index] = replace(run, points={"epoch/miou": points})
    found = check(records, replace(sound, runs=tuple(runs)))
    assert found == [f"mlflow: {run.trial_id}: its run has epoch/miou twice at step 1"]
