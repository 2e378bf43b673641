"""The course of one sweep as decisions over recorded events."""

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
)
from orchestrator.ledger.finite import broken_figures, finite_event, finite_only
from orchestrator.search.schedulers.base import CONTINUE, Decision, judgement
from orchestrator.sweep.course import Course
from orchestrator.sweep.stagnation import Stagnation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.ledger import Journal
    from orchestrator.search.gate import CostGate
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.budget import SweepBudget
    from orchestrator.spec.objectives import Objective
    from orchestrator.sweep.course import Running
    from search_spaces.domains import Value
    from trainables.session.messages import Interruption, TrialState

MAX_REJECTED_IN_A_ROW = 500
"""Proposals in a row that the cost gate settles before the space counts as exhausted."""


class SweepListener(Protocol):
    """Whoever wants to see a sweep's events as they happen."""

    def on_event(self, event: SweepEvent, *, replayed: bool = False) -> None:
        """Take note of one event; called in order, from the thread that drives the sweep.

        Args:
            event: what happened.
            replayed: it happened in an earlier run of the sweep.
        """


class Sweep:
    """Decides what is tried, what goes on, what is over; writes every fact down first.

    Holds no Ray, no clock of its own and no files: simulated and real sweeps run through the same
    code. Not safe for threads; one thread drives it.
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
            objectives, patience=budget.stagnation_trials, unseen=baselines
        )
        self._course = Course(epochs=budget.epochs, workers_per_trial=workers_per_trial)
        self._live = self._course.live
        self._waiting: list[str] = []
        self._exhausted = False
        self._stopped = False

    def replay(self, events: Iterable[SweepEvent]) -> None:
        """Take up an earlier run of the same sweep: its events are observed, not written again.

        Trials that had not ended, or were preempted, wait to be started again. What the driver died
        before deciding is decided now: every event but the last one has its decision.
        """
        last: SweepEvent | None = None
        for event in map(finite_event, events):
            for listener in self._listeners:
                listener.on_event(event, replayed=True)
            if isinstance(event, TrialExamined):
                continue  # no decision may depend on it
            self._take_in(event)
            last = event
        for running in self._live.values():
            running.started = None
        self._decide_on(last)
        for trial_id, running in list(self._live.items()):
            running.leaving = False
            if running.stopping:
                self.ended(trial_id, "stopped", running.stopping, {})
        self._waiting = [trial_id for trial_id, each in self._live.items() if not each.paused]

    def request_stop(self) -> None:
        """Propose nothing more; running trials are left to whoever runs them."""
        self._stopped = True

    @property
    def running(self) -> tuple[str, ...]:
        """Trials that have been asked for and are not over, in order of proposal."""
        return tuple(self._live)

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
        return not self._exhausted and self._course.counted < self._budget.trials

    @property
    def _out_of_hours(self) -> bool:
        hours = self._budget.device_hours
        return hours is not None and self._course.worker_seconds >= hours * 3600

    def next_trial(self) -> tuple[TrialAsked, int] | None:
        """Return the next trial to start with its attempt, from 1; None when there is none.

        Trials that were interrupted come first, then paused ones that are taken up again, then new
        ones. Configurations that the cost gate settles are recorded as infeasible and passed over.
        None with ``proposes`` still true means that a paused trial's lane has not let go of it yet.
        """
        if not self.proposes:
            return None
        again = self._waiting.pop(0) if self._waiting else self._scheduler.promote()
        if again is None:
            return self._new_trial()
        return None if self._live[again].leaving else self._start(again)

    def _new_trial(self) -> tuple[TrialAsked, int] | None:
        """Return the first proposal that the cost gate lets pass."""
        while self._course.rejected_in_a_row < MAX_REJECTED_IN_A_ROW:
            if not self.proposes:
                return None
            number = self._course.asked
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
        self._exhausted = True
        return None

    def profiled(
        self, trial_id: str, metrics: Mapping[str, float], details: Mapping[str, Value]
    ) -> Decision:
        """Take note of a trial's measured costs; stop where they break a constraint.

        The trial has failed where an objective is not finite.

        Costs that are told again (a trial that went back to its checkpoint) are not recorded twice.
        """
        running = self._live.get(trial_id)
        if running is None or running.stopping:
            return Decision(action="stop", reason="the trial is over")
        if running.profiled:
            return CONTINUE
        if broken := broken_figures(metrics, self._aims):
            return self._failed(trial_id, f"{broken} before the first epoch")
        self._record(
            TrialProfiled(
                trial_id=trial_id,
                metrics=finite_only(metrics),
                details=dict(details),
                seconds=self._clock(),
            )
        )
        return self._judge_costs(running, metrics)

    def epoch(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> Decision:
        """Take note of a finished epoch and return what happens to the trial.

        The trial has failed where a loss, a score or an objective is not finite.

        An epoch that was reported before (a trial that went back to its checkpoint) is not
        recorded twice.
        """
        running = self._live.get(trial_id)
        if running is None:
            return Decision(action="stop", reason="the trial is over")
        if running.settled is not None:
            return running.settled
        if epoch <= running.epoch:
            return CONTINUE
        if broken := broken_figures(metrics, self._aims):
            return self._failed(trial_id, f"{broken} in epoch {epoch}")
        self._record(
            EpochReported(
                trial_id=trial_id, epoch=epoch, metrics=finite_only(metrics), seconds=self._clock()
            )
        )
        return self._judge_epoch(running, epoch)

    def ended(
        self,
        trial_id: str,
        state: TrialState,
        reason: str,
        metrics: Mapping[str, float],
        artifacts: Sequence[str] = (),
    ) -> None:
        """Record how a trial ended; what is already over stays as it is.

        A complete trial that lacks an objective, or has a loss, a score or an objective that is not
        finite, has failed. Figures that are not finite are not recorded.
        """
        running = self._live.get(trial_id)
        if running is None:
            return
        if state == "stopped" and running.leaving:
            running.leaving = False
            return
        if state == "stopped" and running.stopping:
            reason = running.stopping
        if state == "complete":
            missing = [name for name in self._aims if name not in metrics]
            broken = broken_figures(metrics, self._aims)
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
        """Take note that a trial's lane was lost, or will be; another one goes on with it."""
        if trial_id in self._live:
            self._record(
                TrialInterrupted(
                    trial_id=trial_id, cause=cause, reason=reason, seconds=self._clock()
                )
            )

    def restored(self, trial_id: str, epoch: int, trained_seconds: float) -> None:
        """Take note of what a trial goes on from: whole epochs, seconds of training in all."""
        if trial_id in self._live:
            self._record(
                TrialRestored(
                    trial_id=trial_id,
                    epoch=epoch,
                    trained_seconds=trained_seconds,
                    seconds=self._clock(),
                )
            )

    def interrupt(self, reason: str) -> None:
        """Record every trial that is not over as preempted; a resumed sweep starts them again."""
        for trial_id, running in list(self._live.items()):
            if not (running.preempted or running.paused):
                self.ended(trial_id, "preempted", reason, {})

    def settle(self) -> None:
        """End the paused trials as stopped if nothing is left that could take one up again."""
        if self._stopped or self.proposes or not all(each.paused for each in self._live.values()):
            return
        for trial_id, running in list(self._live.items()):
            running.leaving = False
            self.ended(trial_id, "stopped", f"{running.paused}; not taken up again", {})

    def _decide_on(self, last: SweepEvent | None) -> None:
        """Decide what ``last``, the last event of an earlier driver, asks to be decided."""
        match last:
            case TrialAsked():
                verdict = self._gate.judge(last.known, last.config)
                if verdict is not None:
                    self.ended(last.trial_id, "infeasible", verdict, last.known)
            case TrialProfiled():
                self._judge_costs(self._live[last.trial_id], last.metrics)
            case EpochReported():
                self._judge_epoch(self._live[last.trial_id], last.epoch)
            case _:
                pass

    def _judge_costs(self, running: Running, metrics: Mapping[str, float]) -> Decision:
        fresh = None if running.epoch else running.asked.config
        known = {**running.asked.known, **metrics}
        verdict = self._gate.judge(known, fresh)
        if verdict is None:
            return CONTINUE
        self.ended(running.asked.trial_id, "infeasible", verdict, known)
        return Decision(action="stop", reason=verdict)

    def _failed(self, trial_id: str, reason: str) -> Decision:
        """End a trial whose report cannot be used."""
        self.ended(trial_id, "failed", reason, {})
        return Decision(action="stop", reason=reason)

    def _judge_epoch(self, running: Running, epoch: int) -> Decision:
        trial_id = running.asked.trial_id
        decision = self._scheduler.decide(trial_id)
        if decision.rung is not None:
            judged = judgement(trial_id, decision, seconds=self._clock())
            if judged is not None:
                self._record(judged)
        if decision.action != "continue" and epoch >= self._budget.epochs:
            return CONTINUE  # it is done anyway, let it finish as complete
        running.leaving = decision.action == "pause"
        if decision.action == "stop":
            running.stopping = decision.reason or f"stopped after epoch {epoch}"
        return decision

    def _start(self, trial_id: str) -> tuple[TrialAsked, int]:
        running = self._live[trial_id]
        attempt = running.attempt + 1
        self._record(TrialStarted(trial_id=trial_id, attempt=attempt, seconds=self._clock()))
        return running.asked, attempt

    def _record(self, event: SweepEvent) -> None:
        self._journal.append(event)
        self._take_in(event)
        for listener in self._listeners:
            listener.on_event(event)

    def _take_in(self, event: SweepEvent) -> None:
        self._searcher.observe(event)
        self._scheduler.observe(event)
        self._gate.observe(event)
        self._stagnation.observe(event)
        self._course.take_in(event)
