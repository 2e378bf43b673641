"""What is examined after a search: decided from records, run on a pool, read by no decider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.driver.final_checks import FinalChecks, due_checks, failures, front_members
from orchestrator.ledger.events import SweepEvent, TrialAsked, TrialEnded, TrialExamined
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import SweepSpec
from orchestrator.sweep.hooks import RunHooks
from search_spaces.joint import joint_space
from search_spaces.presets import demo
from trainables.config import DataConfig
from trainables.session.messages import (
    REASON,
    TRIAL,
    UNDISTURBED,
    FinalCheckTask,
    Profiled,
    TrialDone,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.ledger.records import TrialRecord
    from search_spaces.domains import Value
    from trainables.session.messages import TrialState

OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
FRONT = ("t0", "t1", "t3")
"""The trials below that no other dominates; t2 is dominated, t4 has no number, t5 was stopped."""


def events() -> list[SweepEvent]:
    figures = [(0.5, 4.0), (0.4, 2.0), (0.3, 3.0), (0.2, 1.0), (float("nan"), 0.5), (0.9, 0.1)]
    made: list[SweepEvent] = []
    for number, (miou, flops) in enumerate(figures):
        state: TrialState = "stopped" if number == 5 else "complete"
        metrics = {"miou": miou, "flops": flops}
        trial_id = f"t{number}"
        made.append(TrialAsked(trial_id=trial_id, number=number, config={"x": number}))
        made.append(TrialEnded(trial_id=trial_id, state=state, metrics=metrics))
    return made


def examined(trial_id: str, reason: str = "") -> TrialExamined:
    metrics = {} if reason else {"test_miou": 0.1}
    return TrialExamined(trial_id=trial_id, kind="test", metrics=metrics, reason=reason)


def spec(split: str | None = "test") -> SweepSpec:
    return SweepSpec(
        space=joint_space(demo()), data=DataConfig(test_split=split), objectives=OBJECTIVES
    )


@dataclass
class Pool:
    """Lanes that answer at once; ``stop_after`` tasks the caller is asked to stop."""

    failing: tuple[str, ...] = ()
    stop_after: int = 10
    lost: bool = False
    tasks: list[FinalCheckTask] = field(default_factory=list)
    latencies: dict[str, float | str] = field(default_factory=dict)
    """What a latency check finds of each trial, or why it fails."""

    def run(
        self, task: FinalCheckTask, *, on_message: Any, stop_requested: Callable[[], bool]
    ) -> TrialDone:
        stopped = stop_requested()
        self.tasks.append(task)
        for trial_id in task.configs:
            known = self.latencies[trial_id]
            details: dict[str, Value] = {TRIAL: trial_id}
            metrics = {}
            if isinstance(known, str):
                details[REASON] = known
            else:
                metrics = {"latency_ms": known, UNDISTURBED: 1.0}
            on_message(Profiled(trial_id=task.trial_id, metrics=metrics, details=details))
        failed = task.trial_id in self.failing
        return TrialDone(
            trial_id=task.trial_id,
            state="stopped" if stopped else "failed" if failed else "complete",
            reason="its file is torn" if failed else "",
            metrics={"test_miou": 0.25},
        )

    def stopping(self) -> bool:
        return len(self.tasks) >= self.stop_after


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "sweep.db") as made:
        for event in events():
            made.append(event)
        yield made


def run(
    ledger: Ledger, pool: Pool, split: str | None = "test", sweep: SweepSpec | None = None
) -> bool:
    hooks = RunHooks(stop_requested=pool.stopping)
    folder = SweepFolder(ledger.path.parent, "s")
    checks = FinalChecks(
        spec=sweep or spec(split),
        folder=folder,
        ledger=ledger,
        clock=lambda: 99.0,
        hooks=hooks,
        num_classes=3,
    )
    return checks.run(pool)  # type: ignore[arg-type] # all that is asked of it


def test_the_front_is_due_once_and_failures_again() -> None:
    records = fold(events())
    assert front_members(records, OBJECTIVES) == FRONT
    assert due_checks("test", spec(), records) == FRONT
    assert due_checks("test", spec(None), records) == ()
    later = fold([*events(), examined("t0"), examined("t1", "torn")])
    assert due_checks("test", spec(), later) == ("t1", "t3")
    assert front_members(fold([]), OBJECTIVES) == ()


def test_every_member_is_scored_and_recorded_apart_from_what_a_search_reads(ledger: Ledger) -> None:
    pool = Pool()
    assert run(ledger, pool)
    assert [task.trial_id for task in pool.tasks] == [f"{trial}/test" for trial in FRONT]
    assert all(task.training.eval_resolution is not None for task in pool.tasks)
    trials = {trial.trial_id: trial for trial in fold(e for _, e in ledger.events()).trials}
    assert {t for t in trials if trials[t].examinations} == set(FRONT)
    assert trials["t0"].examinations["test"].metrics == {"test_miou": 0.25}
    assert not any("test_miou" in trial.metrics for trial in trials.values())
    assert run(ledger, pool)
    assert len(pool.tasks) == len(FRONT)


def test_a_stopped_run_keeps_the_remaining_checks_due(ledger: Ledger) -> None:
    first, second = Pool(stop_after=2), Pool()
    assert not run(ledger, first)
    assert run(ledger, second)
    assert [task.trial_id for task in first.tasks + second.tasks] == [
        f"{trial}/test" for trial in FRONT
    ]


def test_a_failed_check_is_reported_and_the_others_run(ledger: Ledger) -> None:
    pool = Pool(failing=("t1/test",))
    assert run(ledger, pool)
    records = fold(event for _, event in ledger.events())
    assert failures(records) == ("t1: scoring on the test split failed: its file is torn",)
    assert [t.trial_id for t in records.trials if t.examinations] == list(FRONT)


def test_lost_lanes_keep_the_remaining_checks_due(ledger: Ledger) -> None:
    pool = Pool(lost=True)
    assert not run(ledger, pool)
    assert not pool.tasks


def test_without_a_test_split_nothing_runs(ledger: Ledger) -> None:
    pool = Pool()
    assert run(ledger, pool, split=None)
    assert not pool.tasks


TIMED = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))


def timed_spec(**changes: Any) -> SweepSpec:
    return SweepSpec(space=joint_space(demo()), objectives=TIMED, **changes)


def timed_ledger(path: Path, figures: dict[str, tuple[float, float, float]]) -> Ledger:
    """Return a ledger of complete trials with mIoU, latency and whether it was undisturbed."""
    made = Ledger(path / "timed.db")
    for number, (trial_id, (miou, latency, sound)) in enumerate(figures.items()):
        metrics = {"miou": miou, "latency_ms": latency, UNDISTURBED: sound}
        made.append(TrialAsked(trial_id=trial_id, number=number, config={"x": number}))
        made.append(TrialEnded(trial_id=trial_id, state="complete", metrics=metrics))
    return made


def trials_of(ledger: Ledger) -> dict[str, TrialRecord]:
    return {t.trial_id: t for t in fold(event for _, event in ledger.events()).trials}


def test_the_front_and_what_it_beats_narrowly_are_measured_again(tmp_path: Path) -> None:
    figures = {
        "best": (0.5, 10.0, 1.0),
        "near": (0.5, 11.0, 1.0),
        "far": (0.5, 12.0, 1.0),
        "doubtful": (0.5, 19.0, 0.0),
        "worse": (0.4, 30.0, 0.0),
    }
    with timed_ledger(tmp_path, figures) as ledger:
        records = fold(event for _, event in ledger.events())
    assert due_checks("latency", timed_spec(), records) == ("best", "near", "doubtful")
    assert due_checks("latency", spec(None), records) == ()


def test_the_front_is_drawn_from_the_latencies_measured_again(tmp_path: Path) -> None:
    # recorded at 52.7 ms under load, measured at 22.6 ms in quiet
    figures = {"loud": (0.5, 40.0, 0.0), "quiet": (0.45, 25.0, 1.0), "slow": (0.4, 26.0, 1.0)}
    pool = Pool(latencies={"loud": 22.6, "quiet": 25.0, "slow": 26.0})
    with timed_ledger(tmp_path, figures) as ledger:
        assert run(ledger, pool, sweep=timed_spec())
        trials = trials_of(ledger)
        records = fold(event for _, event in ledger.events())
        assert run(ledger, pool, sweep=timed_spec())
    assert [set(task.configs) for task in pool.tasks] == [{"loud", "quiet", "slow"}]
    assert trials["loud"].metrics["latency_ms"] == 22.6
    assert trials["loud"].metrics[UNDISTURBED] == 1
    assert front_members(records, TIMED) == ("loud",)


def test_trials_that_come_onto_the_front_are_measured_next(tmp_path: Path) -> None:
    figures = {"first": (0.5, 10.0, 1.0), "second": (0.45, 15.0, 1.0)}
    pool = Pool(latencies={"first": 20.0, "second": 15.0})
    with timed_ledger(tmp_path, figures) as ledger:
        assert run(ledger, pool, sweep=timed_spec())
        trials = trials_of(ledger)
    assert [set(task.configs) for task in pool.tasks] == [{"first"}, {"second"}]
    assert all("latency" in trial.examinations for trial in trials.values())


def test_a_trial_whose_new_latency_breaks_a_constraint_is_infeasible(tmp_path: Path) -> None:
    sweep = timed_spec(constraints=(Constraint.parse("latency_ms <= 12"),))
    figures = {"first": (0.5, 40.0, 0.0), "second": (0.6, 40.0, 0.0)}
    pool = Pool(latencies={"first": 11.0, "second": 30.0})
    with timed_ledger(tmp_path, figures) as ledger:
        assert run(ledger, pool, sweep=sweep)
        trials = trials_of(ledger)
    assert trials["second"].state == "infeasible"
    assert trials["second"].reason == "latency_ms = 30, measured again, breaks latency_ms <= 12"
    assert trials["first"].state == "complete"


def test_a_latency_that_cannot_be_measured_again_is_named_and_stays(tmp_path: Path) -> None:
    pool = Pool(latencies={"first": "no converter"})
    with timed_ledger(tmp_path, {"first": (0.5, 40.0, 1.0)}) as ledger:
        assert run(ledger, pool, sweep=timed_spec())
        trials = trials_of(ledger)
        records = fold(event for _, event in ledger.events())
    assert len(pool.tasks) == 1
    assert trials["first"].metrics["latency_ms"] == 40
    (problem,) = failures(records)
    assert problem == "first: measuring latencies again, interleaved failed: no converter"
