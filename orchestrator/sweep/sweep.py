"""The state machine of a sweep: decisions over recorded events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialInterrupted,
    TrialProfiled,
    TrialRestored,
    TrialStarted,
    finite_event,
    finite_only,
    nonfinite_text,
)
from orchestrator.ledger.records import RecordBook
from orchestrator.search.schedulers.base import CONTINUE, Decision, judgement
from orchestrator.sweep.budgets import Stagnation
from orchestrator.sweep.state import Step, SweepState, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.ledger import Journal
    from orchestrator.ledger.records import TrialRecord
    from orchestrator.search.gate import CostGate
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepBudget
    from orchestrator.sweep.state import OpenTrial
    from search_spaces.domains import Value
    from trainables.session.messages import Interruption, TrialState

MAX_REJECTED_IN_A_ROW = 500
"""Proposals, or trials with measured costs, that the cost gate rules out in a row before the space
counts as exhausted."""


class SweepListener(Protocol):
    """Receives a sweep's events, each with the record of its trial."""

    def on_event(
        self, event: SweepEvent, record: TrialRecord, /, *, replayed: bool = False
    ) -> None:
        """Receive one event; called in order, from the thread that drives the sweep.

        Args:
            event: The event.
            record: What the events of its trial add up to, this one included.
            replayed: It was recorded by an earlier run of the sweep.
        """


class Sweep:
    """Proposes, judges and ends trials; records every event before it acts on it.

    It has no Ray, no clock and no files of its own: ``run``, ``plan``, ``simulate`` and the tests
    use it with lanes of their kind. Not thread-safe: one thread drives it.
    """

    def __init__(
        self,
        *,
        objectives: Sequence[Objective],
        budget: SweepBudget,
        searcher: Searcher,
        scheduler: Scheduler,
        gate: CostGate,
        journal: Journal,
        clock: Callable[[], float],
        workers_per_trial: int = 1,
        listeners: Iterable[SweepListener] = (),
        baselines: Collection[str] = (),
    ) -> None:
        self._aims = tuple(objective.name for objective in objectives)
        self._budget = budget
        self._searcher = searcher
        self._scheduler = scheduler
        self._gate = gate
        self._journal = journal
        self._clock = clock
        self._listeners = tuple(listeners)
        self._stagnation = Stagnation(
            objectives, patience=budget.stagnation_trials, exempt=baselines
        )
        self._state = SweepState(epochs=budget.epochs, workers_per_trial=workers_per_trial)
        self._open = self._state.open
        self._records = RecordBook()
        self._waiting: list[str] = []
        self._exhausted = False
        self._stopped = False

    def replay(self, events: Iterable[SweepEvent]) -> None:
        """Resume an earlier run of the same sweep from its events, which are not recorded again.

        Trials that had not ended, or were preempted, wait to be started again. A decision that the
        last event asks for and the driver did not record is made now.
        """
        last: SweepEvent | None = None
        for event in map(finite_event, events):
            record = self._records.observe(event)
            for listener in self._listeners:
                listener.on_event(event, record, replayed=True)
            if isinstance(event, TrialExamined):
                continue  # no decision may depend on a final check
            self._apply(event, record)
            last = event
        self._state.driver_lost(0.0 if last is None else last.seconds)
        self._decide_on(last)
        for trial in self._state.with_status(TrialStatus.PAUSING):
            trial.step(Step.RELEASE)
        for trial in self._state.with_status(TrialStatus.STOPPING):
            self._stop(trial.asked.trial_id, trial.reason)
        self._waiting = [trial_id for trial_id, trial in self._open.items() if not trial.is_paused]

    def request_stop(self) -> None:
        """Propose nothing more; running trials stay with their lanes."""
        self._stopped = True

    @property
    def open_trials(self) -> tuple[str, ...]:
        """Trials that were proposed and have not ended for good, in order of proposal."""
        return tuple(self._open)

    @property
    def worker_seconds(self) -> float:
        """Time of ended attempts, summed over lanes and their workers; what device-hours limit."""
        return self._state.worker_seconds

    @property
    def proposes(self) -> bool:
        """Whether ``next_trial`` may still return a trial."""
        if self._stopped:
            return False
        if self._waiting:
            return True
        if self._stagnation.reached or self._out_of_hours:
            return False
        if self._scheduler.promote() is not None:
            return True
        return not self._is_exhausted and self._state.counted < self._budget.trials

    @property
    def _is_exhausted(self) -> bool:
        """Whether nothing feasible is expected any more; a resumed sweep comes to the same."""
        state = self._state
        rejected = max(state.rejected_in_a_row, state.infeasible_in_a_row)
        return self._exhausted or rejected >= MAX_REJECTED_IN_A_ROW

    @property
    def _out_of_hours(self) -> bool:
        hours = self._budget.device_hours
        return hours is not None and self._state.worker_seconds >= hours * 3600

    def next_trial(self) -> tuple[TrialAsked, int] | None:
        """Return the next trial to start with its attempt, from 1; None when there is none.

        Interrupted trials come first, then promoted ones, then new ones. Configurations that the
        cost gate rejects are recorded as infeasible and skipped. None while ``proposes`` is true
        means that the lane of a promoted trial has not released it yet.
        """
        if not self.proposes:
            return None
        again = self._waiting.pop(0) if self._waiting else self._scheduler.promote()
        if again is None:
            return self._new_trial()
        return None if self._open[again].status is TrialStatus.PAUSING else self._start(again)

    def _new_trial(self) -> tuple[TrialAsked, int] | None:
        """Start the first proposal that the cost gate accepts."""
        while self.proposes:
            number = self._state.asked
            config = self._searcher.propose(number)
            if config is None:
                self._exhausted = True
                return None
            trial_id = f"t{number:05d}"
            known = self._gate.known(config)
            verdict = self._gate.judge(known, config)
            self._record(
                TrialAsked(
                    trial_id=trial_id,
                    number=number,
                    config=config,
                    known=dict(known),
                    seconds=self._clock(),
                )
            )
            if verdict is None:
                return self._start(trial_id)
            self.ended(trial_id, "infeasible", verdict, dict(known))
        return None

    def profiled(
        self, trial_id: str, metrics: Mapping[str, float], details: Mapping[str, Value]
    ) -> Decision:
        """Record a trial's measured costs; return a stop where they break a constraint.

        The trial fails where an objective is not finite. Costs that a restored trial reports again
        are not recorded twice.
        """
        trial = self._open.get(trial_id)
        if trial is None or trial.status is TrialStatus.STOPPING:
            return Decision(action="stop", reason="the trial is over")
        if trial.profiled:
            return CONTINUE
        if broken := nonfinite_text(metrics, self._aims):
            return self._failed(trial_id, f"{broken} before the first epoch")
        self._record(
            TrialProfiled(
                trial_id=trial_id,
                metrics=finite_only(metrics),
                details=dict(details),
                seconds=self._clock(),
            )
        )
        return self._judge_costs(trial, metrics)

    def epoch(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> Decision:
        """Record a finished epoch; return the scheduler's decision.

        The trial fails where a loss, a score or an objective is not finite. An epoch that a
        restored trial reports again is not recorded twice.
        """
        trial = self._open.get(trial_id)
        if trial is None:
            return Decision(action="stop", reason="the trial is over")
        if trial.settled is not None:
            return trial.settled
        if epoch <= trial.epoch:
            return CONTINUE
        if broken := nonfinite_text(metrics, self._aims):
            return self._failed(trial_id, f"{broken} in epoch {epoch}")
        self._record(
            EpochReported(
                trial_id=trial_id, epoch=epoch, metrics=finite_only(metrics), seconds=self._clock()
            )
        )
        return self._judge_epoch(trial, epoch)

    def ended(
        self,
        trial_id: str,
        state: TrialState,
        reason: str,
        metrics: Mapping[str, float],
        artifacts: Sequence[str] = (),
    ) -> None:
        """Record the end of a trial; a trial that has ended already is left as it is.

        A complete trial fails where it lacks an objective, or where a loss, a score or an objective
        is not finite. Figures that are not finite are not recorded.
        """
        trial = self._open.get(trial_id)
        if trial is None:
            return
        if trial.status is TrialStatus.PAUSING and state in {"stopped", "preempted"}:
            trial.step(Step.RELEASE)
            return
        if trial.status is TrialStatus.STOPPING and state == "stopped":
            reason = trial.reason
        if state == "complete":
            missing = [name for name in self._aims if name not in metrics]
            broken = nonfinite_text(metrics, self._aims)
            if missing or broken:
                faults = [f"no value of {', '.join(missing)}"] if missing else []
                faults += [broken] if broken else []
                state, reason = "failed", f"{'; '.join(faults)} at the end"
        self._record(
            TrialEnded(
                trial_id=trial_id,
                state=state,
                reason=reason,
                metrics=finite_only(metrics),
                artifacts=tuple(artifacts),
                seconds=self._clock(),
            )
        )

    def interrupted(self, trial_id: str, cause: Interruption, reason: str) -> None:
        """Record that a trial's lane was lost, or got a preemption notice; another lane resumes."""
        if trial_id in self._open:
            self._record(
                TrialInterrupted(
                    trial_id=trial_id, cause=cause, reason=reason, seconds=self._clock()
                )
            )

    def restored(self, trial_id: str, epoch: int, trained_seconds: float) -> None:
        """Record the checkpoint that a trial resumes from: whole epochs, seconds of training."""
        if trial_id in self._open:
            self._record(
                TrialRestored(
                    trial_id=trial_id,
                    epoch=epoch,
                    trained_seconds=trained_seconds,
                    seconds=self._clock(),
                )
            )

    def interrupt(self, reason: str) -> None:
        """End trials on lanes as preempted, stopped ones as stopped; a resumed sweep restarts."""
        for trial in self._state.with_status(TrialStatus.ASKED, TrialStatus.RUNNING):
            self.ended(trial.asked.trial_id, "preempted", reason, {})
        for trial in self._state.with_status(TrialStatus.STOPPING):
            self._stop(trial.asked.trial_id, trial.reason)

    def settle(self) -> None:
        """End the paused trials as stopped if no other trial is open and none may be promoted."""
        if self._stopped or self.proposes or not all(t.is_paused for t in self._open.values()):
            return
        for trial_id, trial in list(self._open.items()):
            trial.step(Step.RELEASE)
            self._stop(trial_id, f"{trial.reason}; not promoted")

    def _stop(self, trial_id: str, reason: str) -> None:
        """End a trial as stopped with its last metrics, as its lane would."""
        record = self._records.get(trial_id)
        self.ended(trial_id, "stopped", reason, {} if record is None else record.metrics)

    def _decide_on(self, last: SweepEvent | None) -> None:
        """Make the decision that ``last``, the last event of an earlier driver, asks for."""
        match last:
            case TrialAsked():
                verdict = self._gate.judge(last.known, last.config)
                if verdict is not None:
                    self.ended(last.trial_id, "infeasible", verdict, last.known)
            case TrialProfiled():
                self._judge_costs(self._open[last.trial_id], last.metrics)
            case EpochReported():
                self._judge_epoch(self._open[last.trial_id], last.epoch)
            case _:
                pass

    def _judge_costs(self, trial: OpenTrial, metrics: Mapping[str, float]) -> Decision:
        fresh = None if trial.epoch else trial.asked.config
        known = {**trial.asked.known, **metrics}
        verdict = self._gate.judge(known, fresh)
        if verdict is None:
            return CONTINUE
        self.ended(trial.asked.trial_id, "infeasible", verdict, known)
        return Decision(action="stop", reason=verdict)

    def _failed(self, trial_id: str, reason: str) -> Decision:
        """End a trial whose report cannot be used."""
        self.ended(trial_id, "failed", reason, {})
        return Decision(action="stop", reason=reason)

    def _judge_epoch(self, trial: OpenTrial, epoch: int) -> Decision:
        trial_id = trial.asked.trial_id
        decision = self._scheduler.decide(trial_id)
        if decision.rung is not None:
            judged = judgement(trial_id, decision, seconds=self._clock())
            if judged is not None:
                self._record(judged)
        if decision.action != "continue" and epoch >= self._budget.epochs:
            return CONTINUE  # all epochs are done: it ends as complete
        if decision.action == "stop":  # a stop between rungs is in no event
            trial.step(Step.STOP, decision.reason or f"stopped after epoch {epoch}")
        return decision

    def _start(self, trial_id: str) -> tuple[TrialAsked, int]:
        trial = self._open[trial_id]
        attempt = trial.attempt + 1
        self._record(TrialStarted(trial_id=trial_id, attempt=attempt, seconds=self._clock()))
        return trial.asked, attempt

    def _record(self, event: SweepEvent) -> None:
        self._journal.append(event)
        record = self._records.observe(event)
        self._apply(event, record)
        for listener in self._listeners:
            listener.on_event(event, record)

    def _apply(self, event: SweepEvent, record: TrialRecord) -> None:
        self._searcher.observe(event)
        self._scheduler.observe(event)
        self._gate.observe(event)
        self._stagnation.observe(event, record)
        self._state.apply(event)
