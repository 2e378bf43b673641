"""A whole sweep on virtual lanes, which any crash may interrupt."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialInterrupted,
    TrialProfiled,
    TrialRestored,
    TrialStarted,
)
from orchestrator.ledger.records import fold
from orchestrator.search.gate import CostGate
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.budget import SweepBudget
from orchestrator.spec.constraints import Constraint
from orchestrator.spec.objectives import Objective
from orchestrator.sweep.sweep import Sweep
from search_spaces.domains import Float
from search_spaces.space import Config, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import SweepRecords
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher

EPOCHS = 9
SPACE = SearchSpace.of(size=Float(0.0, 1.0), rate=Float(0.0, 1.0))
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))


def flops(config: Config) -> Mapping[str, float]:
    return {"flops": 1.0 + float(config["size"])}


def quality(config: Config, epoch: int) -> float:
    top = 0.3 + 0.5 * float(config["size"]) - (float(config["rate"]) - 0.4) ** 2
    return top * (1 - 0.6**epoch)


@dataclass
class VirtualLanes:
    """Trains nothing and takes no time; a crash loses all but the tape."""

    seed: int = 0
    lanes: int = 3
    trials: int = 12
    searcher: str = "random"
    lose_every: int | None = None
    """Steps between two losses of a lane; None loses none."""
    steps: int = 0
    tape: list[SweepEvent] = field(default_factory=list)
    now: float = 0.0

    def append(self, event: SweepEvent) -> int:
        self.tape.append(event)
        return len(self.tape)

    @property
    def problem(self) -> SearchProblem:
        return SearchProblem(
            space=SPACE,
            objectives=OBJECTIVES,
            seed=self.seed,
            max_epochs=EPOCHS,
            known_cost=flops,
        )

    def make_searcher(self) -> Searcher:
        return make_searcher(self.searcher, self.problem)

    def make_scheduler(self) -> Scheduler:
        return make_scheduler("mo-asha", self.problem, reduction_factor=2)

    def start(self) -> None:
        """Do what a driver does as it begins, for the first time or again."""
        limits = [Constraint.parse("flops <= 1.9"), Constraint.parse("latency_ms <= 8.5")]
        self.sweep = Sweep(
            objectives=OBJECTIVES,
            budget=SweepBudget(trials=self.trials, epochs=EPOCHS),
            searcher=self.make_searcher(),
            scheduler=self.make_scheduler(),
            gate=CostGate(limits, flops),
            journal=self,
            clock=lambda: self.now,
        )
        self.now = self.tape[-1].seconds if self.tape else 0.0
        self.sweep.replay(list(self.tape))
        self._due: list[tuple[float, int, str]] = []

    def run(self, until: int | None = None) -> None:
        """Run to the end, or until the tape holds ``until`` events or a few more."""
        while until is None or len(self.tape) < until:
            while len(self._due) < self.lanes and (found := self.sweep.next_trial()):
                self._begin(found[0])
            if not self._due:
                return
            self.now, _, trial_id = heapq.heappop(self._due)
            self._step(trial_id)

    def crash(self, keep: int) -> None:
        """Lose everything but the first ``keep`` events."""
        del self.tape[keep:]

    def _events(self, trial_id: str) -> list[SweepEvent]:
        return [event for event in self.tape if event.trial_id == trial_id]

    def _begin(self, asked: TrialAsked) -> None:
        """Tell again what a lane tells that goes on from a checkpoint, then wait for more."""
        for event in self._events(asked.trial_id):
            match event:
                case TrialProfiled():
                    self.sweep.profiled(event.trial_id, event.metrics, event.details)
                case EpochReported():
                    self.sweep.epoch(event.trial_id, event.epoch, event.metrics)
                case _:
                    pass
        self._wait(asked)

    def _wait(self, asked: TrialAsked) -> None:
        its = self._events(asked.trial_id)
        began = next(event.seconds for event in its if isinstance(event, TrialStarted))
        told = sum(isinstance(event, TrialProfiled | EpochReported) for event in its)
        pace = 1.0 + float(asked.config["size"]) + float(asked.config["rate"]) / 7
        when = began + pace * min(told + 1, EPOCHS + 1)
        heapq.heappush(self._due, (when, asked.number, asked.trial_id))

    def _step(self, trial_id: str) -> None:
        its = self._events(trial_id)
        asked = its[0]
        assert isinstance(asked, TrialAsked)
        epoch = sum(isinstance(event, EpochReported) for event in its)
        self.steps += 1
        if self.lose_every is not None and self.steps % self.lose_every == 0:
            self.sweep.interrupted(trial_id, "notice", "")
            self.sweep.interrupted(trial_id, "preemption", "gone")
            self.sweep.restored(trial_id, epoch, 1.0 * epoch)
        if not any(isinstance(event, TrialProfiled) for event in its):
            latency = 10 * float(asked.config["size"])
            if self.sweep.profiled(trial_id, {"latency_ms": latency}, {}).action == "continue":
                self._wait(asked)
            return
        if epoch < EPOCHS:
            epoch += 1
            miou = quality(asked.config, epoch)
            if self.sweep.epoch(trial_id, epoch, {"miou": miou}).action == "stop":
                self.sweep.ended(trial_id, "stopped", "", {})
                return
        if epoch < EPOCHS:
            self._wait(asked)
            return
        final = {"miou": quality(asked.config, EPOCHS), **flops(asked.config)}
        self.sweep.ended(trial_id, "complete", "", final)


def told(events: list[SweepEvent]) -> list[SweepEvent]:
    """Return the events without those that only an interruption brings."""
    return [
        event
        for event in events
        if not (isinstance(event, TrialStarted) and event.attempt > 1)
        and not (isinstance(event, TrialEnded) and event.state == "preempted")
        and not isinstance(event, TrialInterrupted | TrialRestored)
    ]


@pytest.fixture(scope="session")
def virtual_sweep() -> Callable[..., VirtualLanes]:
    """Return a function that makes a sweep on virtual lanes, begun and not run."""

    def make(**settings: object) -> VirtualLanes:
        lanes = VirtualLanes(**settings)  # type: ignore[arg-type]
        lanes.start()
        return lanes

    return make


@pytest.fixture(scope="session")
def without_interruptions() -> Callable[[list[SweepEvent]], list[SweepEvent]]:
    return told


@pytest.fixture(scope="session")
def records(virtual_sweep: Callable[..., VirtualLanes]) -> SweepRecords:
    """Return the trials at a moment when one is complete and one has trained two epochs."""
    lanes = virtual_sweep(trials=12)
    lanes.run()
    for count in range(len(lanes.tape)):
        found = fold(lanes.tape[:count])
        if found.complete and any(t.state == "running" and t.epochs_done > 1 for t in found.trials):
            return found
    raise AssertionError("the virtual sweep never comes to such a moment")
