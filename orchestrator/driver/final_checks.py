"""Final checks after the search: latencies measured again, scores on the test split."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from orchestrator.ledger.events import TrialExamined
from orchestrator.ledger.records import RecordBook, fold
from orchestrator.report.analysis import finite_value
from orchestrator.search.pareto import non_dominated_ranks
from orchestrator.spec.networks import scored_alike
from trainables.session.messages import (
    FINAL_CHECK_KINDS,
    REASON,
    TRIAL,
    UNDISTURBED,
    FinalCheckTask,
    Profiled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.lanes.pool import LanePool
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.records import SweepRecords
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from trainables.session.messages import FinalCheckKind, TrialDone, TrialMessage

LATENCY = "latency_ms"
NARROW = 0.15
"""Largest relative error of an undisturbed latency. Repeated measurements of one network on a
shared machine differed by up to 10 %."""
NARROW_DISTURBED = 0.5
"""The same for a disturbed latency: under load it was up to 1.6 times as high."""
DOING: dict[FinalCheckKind, str] = {
    "latency": "measuring latencies again, interleaved",
    "test": "scoring on the test split",
}
"""Progress text of each check."""


def front_members(records: SweepRecords, objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the complete trials of the Pareto front, in order of proposal."""
    complete = records.complete
    points = [[finite_value(trial, each.name) for each in objectives] for trial in complete]
    ranks = non_dominated_ranks(points, objectives)
    return tuple(
        trial.trial_id
        for trial, rank, point in zip(complete, ranks, points, strict=True)
        if rank == 0 and all(map(math.isfinite, point))
    )


def contenders(records: SweepRecords, objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the front and the complete trials that may belong to it.

    A trial may belong to the front if it would with the lowest latency that the error of its
    measurement allows. A latency that was measured again has no error.
    """
    front = front_members(records, objectives)
    chosen = []
    for trial in records.complete:
        if trial.trial_id in front:
            chosen.append(trial.trial_id)
        elif LATENCY in trial.metrics and "latency" not in trial.examinations:
            slack = NARROW if trial.metrics.get(UNDISTURBED, 1.0) == 1.0 else NARROW_DISTURBED
            lower = {**trial.metrics, LATENCY: trial.metrics[LATENCY] * (1 - slack)}
            others = [each for each in records.trials if each.trial_id in front]
            optimistic = replace(records, trials=(*others, replace(trial, metrics=lower)))
            if trial.trial_id in front_members(optimistic, objectives):
                chosen.append(trial.trial_id)
    return tuple(chosen)


def due_checks(kind: FinalCheckKind, spec: SweepSpec, records: SweepRecords) -> tuple[str, ...]:
    """Return the trials that the check ``kind`` is due for after a finished search, in order.

    A failed check is due again.
    """
    match kind:
        case "latency":
            wanted = LATENCY in {
                *(each.name for each in spec.objectives),
                *(each.metric for each in spec.constraints),
            }
        case "test":
            wanted = spec.data.test_split is not None
        case _:
            assert_never(kind)
    if not wanted:
        return ()
    examined = {
        trial.trial_id
        for trial in records.trials
        if kind in trial.examinations and not trial.examinations[kind].reason
    }
    select = contenders if kind == "latency" else front_members
    chosen = select(records, spec.objectives)
    return tuple(trial_id for trial_id in chosen if trial_id not in examined)


def any_due(spec: SweepSpec, records: SweepRecords) -> bool:
    """Whether any check is due after a finished search."""
    return any(due_checks(kind, spec, records) for kind in FINAL_CHECK_KINDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalChecks:
    """Runs the due checks one after the other and records each result."""

    spec: SweepSpec
    """Spec of the sweep."""
    folder: SweepFolder
    """Folder of the sweep."""
    ledger: Ledger
    """Ledger of the sweep; receives the results."""
    clock: Callable[[], float]
    """Returns the seconds since the start of the sweep."""
    hooks: RunHooks
    """Progress callbacks, listeners and the request to stop."""
    num_classes: int
    """Classes of the data set, >= 2."""

    def due(self) -> bool:
        """Whether any check is due."""
        return any_due(self.spec, self._records())

    def run(self, pool: LanePool) -> bool:
        """Run every due check on the lanes; return False if a stop left some out.

        A failed check is recorded with its reason and does not affect the others.
        """
        records = RecordBook()
        for _, event in self.ledger.events():
            records.observe(event)
        return self._measure_again(pool, records) and self._score_on_test(pool, records)

    def _measure_again(self, pool: LanePool, records: RecordBook) -> bool:
        """Measure the due latencies; return False if a stop left some out.

        New latencies may add trials to the front, which are measured in the next round.
        """
        profiles: dict[str, Profiled] = {}
        tried: set[str] = set()

        def collect(message: TrialMessage) -> None:
            if isinstance(message, Profiled):
                profiles[str(message.details[TRIAL])] = message

        while True:
            before = records.snapshot()
            due = due_checks("latency", self.spec, before)
            due = tuple(trial_id for trial_id in due if trial_id not in tried)
            if not due:
                return True
            done = self._run(pool, self._latency_task(due, before), ", ".join(due), collect)
            if done is None:
                return False
            for trial_id in due:
                event = self._latency_event(trial_id, profiles.get(trial_id), done.reason)
                self._append(event, records)
            tried |= set(due)

    def _score_on_test(self, pool: LanePool, records: RecordBook) -> bool:
        """Score the due trials on the test split; return False if a stop left some out."""
        trials = due_checks("test", self.spec, records.snapshot())
        for number, trial_id in enumerate(trials, start=1):
            progress = f"{trial_id}, {number} of {len(trials)}"
            done = self._run(pool, self._task("test", trial_id), progress)
            if done is None:
                return False
            failed = done.state == "failed"
            self._append(
                TrialExamined(
                    trial_id=trial_id,
                    kind="test",
                    metrics={} if failed else dict(done.metrics),
                    reason=(done.reason or "unknown reason") if failed else "",
                    seconds=self.clock(),
                ),
                records,
            )
        return True

    def _run(
        self,
        pool: LanePool,
        task: FinalCheckTask,
        progress: str,
        on_message: Callable[[TrialMessage], None] = lambda _: None,
    ) -> TrialDone | None:
        """Run a check on a lane; return None if a stop or the loss of all lanes prevents it."""
        if self.hooks.stop_requested() or pool.lost:
            return None
        self.hooks.stage(f"{DOING[task.kind]}: {progress}")
        done = pool.run(task, on_message=on_message, stop_requested=self.hooks.stop_requested)
        return done if done.state in {"complete", "failed"} else None

    def _latency_task(self, trials: Sequence[str], records: SweepRecords) -> FinalCheckTask:
        configs = {trial.trial_id: dict(trial.config) for trial in records.trials}
        return replace(
            self._task("latency", "front"),
            configs={trial_id: configs[trial_id] for trial_id in trials},
            num_classes=self.num_classes,
        )

    def _latency_event(self, trial_id: str, profile: Profiled | None, reason: str) -> TrialExamined:
        metrics = {} if profile is None else dict(profile.metrics)
        details = {} if profile is None else dict(profile.details)
        details.pop(TRIAL, None)
        why = str(details.pop(REASON, "")) or ("" if metrics else reason or "unknown reason")
        broken = [
            f"{each.metric} = {metrics[each.metric]:g}, measured again, breaks {each}"
            for each in self.spec.constraints
            if each.metric in metrics and not each.holds(metrics[each.metric])
        ]
        return TrialExamined(
            trial_id=trial_id,
            kind="latency",
            metrics=metrics,
            details=details,
            reason=why,
            ruled_out="; ".join(broken),
            seconds=self.clock(),
        )

    def failures(self) -> tuple[str, ...]:
        """Return the failed checks with their reasons."""
        return failures(self._records())

    def _records(self) -> SweepRecords:
        return fold(event for _, event in self.ledger.events())

    def _task(self, kind: FinalCheckKind, trial_id: str) -> FinalCheckTask:
        return FinalCheckTask(
            trial_id=f"{trial_id}/{kind}",
            kind=kind,
            folder=str(self.folder.trials / trial_id),
            data=self.spec.data,
            training=scored_alike(self.spec),
            target=self.spec.target,
            cache_dir=str(self.spec.storage.cache_dir),
        )

    def _append(self, event: TrialExamined, records: RecordBook) -> None:
        self.ledger.append(event)
        record = records.observe(event)
        for listener in self.hooks.listeners:
            listener.on_event(event, record)


def failures(records: SweepRecords) -> tuple[str, ...]:
    """Return the failed checks with their reasons."""
    return tuple(
        f"{trial.trial_id}: {DOING[kind]} failed: {trial.examinations[kind].reason}"
        for trial in records.trials
        for kind in FINAL_CHECK_KINDS
        if kind in trial.examinations and trial.examinations[kind].reason
    )
