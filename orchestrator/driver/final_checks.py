"""What is examined of a sweep's trials after the search, and the run of it on the lanes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from orchestrator.ledger.events import TrialExamined
from orchestrator.ledger.records import fold
from orchestrator.report.analysis.hypervolume import finite_value
from orchestrator.search.pareto import non_dominated_ranks
from orchestrator.spec.resolutions import scored_alike
from trainables.session.messages import (
    FINAL_CHECK_KINDS,
    REASON,
    TRIAL,
    UNDISTURBED,
    FinalCheckTask,
    Profiled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.lanes.pool import LanePool
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.records import SweepRecords
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from trainables.session.messages import FinalCheckKind, TrialDone, TrialMessage

LATENCY = "latency_ms"
PER_TRIAL: tuple[FinalCheckKind, ...] = ("test",)
"""Checks that take a trial each, after the latencies, which decide who is on the front."""
NARROW = 0.15
"""Share by which a latency may be too high in a sound measurement. Repeated ones of one network on
a shared machine differed by up to 10 %."""
NARROW_DISTURBED = 0.5
"""The same for a disturbed measurement: CPU times under load were up to 1.6 times too high."""
DOING: dict[FinalCheckKind, str] = {
    "latency": "measuring latencies again by turns",
    "test": "scoring on the test split",
}
"""What a check does, for a line of progress."""


def front_members(records: SweepRecords, objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the complete trials that no other one dominates, in order of proposal."""
    complete = records.complete
    points = [[finite_value(trial, each.name) for each in objectives] for trial in complete]
    ranks = non_dominated_ranks(points, objectives)
    return tuple(
        trial.trial_id
        for trial, rank, point in zip(complete, ranks, points, strict=True)
        if rank == 0 and all(map(math.isfinite, point))
    )


def contenders(records: SweepRecords, objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return the members of the front and the complete trials that they beat narrowly.

    A trial is beaten narrowly if it would be on the front with a latency as low as the uncertainty
    of its measurement allows. One that was measured again counts as it is.
    """
    front = front_members(records, objectives)
    found = []
    for trial in records.complete:
        if trial.trial_id in front:
            found.append(trial.trial_id)
        elif LATENCY in trial.metrics and "latency" not in trial.examinations:
            slack = NARROW if trial.metrics.get(UNDISTURBED, 1.0) == 1.0 else NARROW_DISTURBED
            lower = {**trial.metrics, LATENCY: trial.metrics[LATENCY] * (1 - slack)}
            others = [each for each in records.trials if each.trial_id in front]
            hopeful = replace(records, trials=(*others, replace(trial, metrics=lower)))
            if trial.trial_id in front_members(hopeful, objectives):
                found.append(trial.trial_id)
    return tuple(found)


def due_checks(kind: FinalCheckKind, spec: SweepSpec, records: SweepRecords) -> tuple[str, ...]:
    """Return the trials that a finished search still has to examine for ``kind``, in order.

    A trial whose examination failed is due again.
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
    """Whether a finished search leaves anything to examine."""
    return any(due_checks(kind, spec, records) for kind in FINAL_CHECK_KINDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalChecks:
    """Runs the checks that are due, one after the other, each recorded as it ends."""

    spec: SweepSpec
    """The sweep, whose search is over."""
    folder: SweepFolder
    """Its folder."""
    ledger: Ledger
    """Its ledger, which tells what is still to do and keeps what is found."""
    clock: Callable[[], float]
    """Seconds since the sweep began."""
    hooks: RunHooks
    """How the caller follows and steers the run."""
    num_classes: int
    """Classes of the data set, >= 2."""

    def due(self) -> bool:
        """Whether there is anything to examine."""
        return any_due(self.spec, self._records())

    def run(self, pool: LanePool) -> bool:
        """Run every check that is due on the lanes; return whether none was left out.

        A check that fails is recorded with its reason and leaves the others as they are.
        """
        if not self._measure_again(pool):
            return False
        for kind in PER_TRIAL:
            trials = due_checks(kind, self.spec, self._records())  # of the figures as they are now
            for number, trial_id in enumerate(trials, start=1):
                if self.hooks.stop_requested() or pool.lost:
                    return False
                self.hooks.stage(f"{DOING[kind]}: {trial_id}, {number} of {len(trials)}")
                done = pool.run(
                    self._task(kind, trial_id),
                    on_message=_ignore,
                    stop_requested=self.hooks.stop_requested,
                )
                if done.state not in {"complete", "failed"}:
                    return False
                self._record(kind, trial_id, done)
        return True

    def _measure_again(self, pool: LanePool) -> bool:
        """Measure the latencies that are due; return whether none was left out.

        Figures of one round may bring other trials onto the front, which are measured next.
        """
        tried: set[str] = set()
        while due := [
            t for t in due_checks("latency", self.spec, self._records()) if t not in tried
        ]:
            if self.hooks.stop_requested() or pool.lost:
                return False
            self.hooks.stage(f"{DOING['latency']}: {', '.join(due)}")
            found: dict[str, Profiled] = {}
            done = pool.run(
                self._latency_task(due),
                on_message=lambda message: _collect(found, message),  # noqa: B023 - run returns first
                stop_requested=self.hooks.stop_requested,
            )
            if done.state not in {"complete", "failed"}:
                return False
            for trial_id in due:
                self._record_latency(trial_id, found.get(trial_id), done.reason)
            tried |= set(due)
        return True

    def _latencies_due(self, tried: Collection[str]) -> list[str]:
        due = due_checks("latency", self.spec, self._records())
        return [trial_id for trial_id in due if trial_id not in tried]

    def _latency_task(self, trials: Sequence[str]) -> FinalCheckTask:
        configs = {trial.trial_id: dict(trial.config) for trial in self._records().trials}
        return replace(
            self._task("latency", "front"),
            configs={trial_id: configs[trial_id] for trial_id in trials},
            num_classes=self.num_classes,
        )

    def _record_latency(self, trial_id: str, found: Profiled | None, reason: str) -> None:
        metrics = {} if found is None else dict(found.metrics)
        details = {} if found is None else dict(found.details)
        details.pop(TRIAL, None)
        why = str(details.pop(REASON, "")) or ("" if metrics else reason or "no reason is known")
        broken = [
            f"{each.metric} = {metrics[each.metric]:g}, measured again, breaks {each}"
            for each in self.spec.constraints
            if each.metric in metrics and not each.holds(metrics[each.metric])
        ]
        self._append(
            TrialExamined(
                trial_id=trial_id,
                kind="latency",
                metrics=metrics,
                details=details,
                reason=why,
                ruled_out="; ".join(broken),
                seconds=self.clock(),
            )
        )

    def failures(self) -> tuple[str, ...]:
        """Return each check that failed, with its reason."""
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

    def _record(self, kind: FinalCheckKind, trial_id: str, done: TrialDone) -> None:
        failed = done.state == "failed"
        event = TrialExamined(
            trial_id=trial_id,
            kind=kind,
            metrics={} if failed else dict(done.metrics),
            reason=(done.reason or "no reason is known") if failed else "",
            seconds=self.clock(),
        )
        self._append(event)

    def _append(self, event: TrialExamined) -> None:
        self.ledger.append(event)
        record = next(t for t in self._records().trials if t.trial_id == event.trial_id)
        for listener in self.hooks.listeners:
            listener.on_event(event, record)


def failures(records: SweepRecords) -> tuple[str, ...]:
    """Return each check that failed, with its reason."""
    return tuple(
        f"{trial.trial_id}: {DOING[kind]} failed: {trial.examinations[kind].reason}"
        for trial in records.trials
        for kind in FINAL_CHECK_KINDS
        if kind in trial.examinations and trial.examinations[kind].reason
    )


def _ignore(_: TrialMessage) -> None:
    """Pass over a message: a check reports nothing but its end, and lost lanes start it again."""


def _collect(found: dict[str, Profiled], message: TrialMessage) -> None:
    """Keep the figures of a trial by its identity."""
    if isinstance(message, Profiled):
        found[str(message.details[TRIAL])] = message
