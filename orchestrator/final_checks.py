"""What is examined of a sweep's trials after the search, and the run of it on the lanes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from orchestrator.events import TrialExamined
from orchestrator.pareto import non_dominated_ranks
from orchestrator.records import fold
from orchestrator.report.curve import finite_value
from orchestrator.resolutions import scored_alike
from trainables.messages import FINAL_CHECK_KINDS, FinalCheckTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.events import Objective
    from orchestrator.folders import SweepFolder
    from orchestrator.hooks import RunHooks
    from orchestrator.lanes.pool import LanePool
    from orchestrator.ledger import Ledger
    from orchestrator.records import SweepRecords
    from orchestrator.spec.sweep_spec import SweepSpec
    from trainables.messages import FinalCheckKind, TrialDone, TrialMessage

DOING: dict[FinalCheckKind, str] = {"test": "scoring on the test split"}
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


def due_checks(kind: FinalCheckKind, spec: SweepSpec, records: SweepRecords) -> tuple[str, ...]:
    """Return the trials that a finished search still has to examine for ``kind``, in order.

    A trial whose examination failed is due again.
    """
    match kind:
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
    front = front_members(records, spec.objectives)
    return tuple(trial_id for trial_id in front if trial_id not in examined)


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

    def due(self) -> bool:
        """Whether there is anything to examine."""
        return any_due(self.spec, self._records())

    def run(self, pool: LanePool) -> bool:
        """Run every check that is due on the lanes; return whether none was left out.

        A check that fails is recorded with its reason and leaves the others as they are.
        """
        for kind in FINAL_CHECK_KINDS:
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
        self.ledger.append(event)
        for listener in self.hooks.listeners:
            listener.on_event(event)


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
