"""A whole sweep on simulated lanes, which may be cut anywhere and resumed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.lanes.simulated import SimulatedLanes, SimulatedTraining
from orchestrator.ledger.events import (
    TrialAsked,
    TrialEnded,
    TrialInterrupted,
    TrialJudged,
    TrialRestored,
    TrialStarted,
)
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.domains import Float
from search_spaces.space import Config, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import Searcher

EPOCHS = 9
SPACE = SearchSpace.of(size=Float(0.0, 1.0), rate=Float(0.0, 1.0))
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
LIMITS = ("flops <= 1.9", "latency_ms <= 8.5")


def flops(config: Config) -> Mapping[str, float]:
    return {"flops": 1.0 + float(config["size"])}


def training_of(asked: TrialAsked) -> SimulatedTraining:
    size, rate = float(asked.config["size"]), float(asked.config["rate"])
    top = 0.3 + 0.5 * size - (rate - 0.4) ** 2
    pace = 1.0 + size + rate / 7
    return SimulatedTraining(
        epochs=[{"miou": top * (1 - 0.6**epoch)} for epoch in range(1, EPOCHS + 1)],
        seconds=[pace] * EPOCHS,
        known=flops(asked.config),
        measured={"latency_ms": 10 * size},
        measurement_seconds=pace,
    )


@dataclass
class SimulatedSweep:
    """A sweep with its lanes; a crash loses all but the tape."""

    seed: int = 0
    workers: int = 3
    trials: int = 12
    searcher: str = "random"
    scheduler: str = "mo-asha"
    device_hours: float | None = None
    stagnation_trials: int | None = None
    lose_every: int | None = None
    """Reports between two losses of a lane; None loses none."""
    losses: int = 0
    reports: int = 0
    tape: list[SweepEvent] = field(default_factory=list)

    @property
    def setup(self) -> SweepSetup:
        return SweepSetup(
            problem=SearchProblem(
                space=SPACE,
                objectives=OBJECTIVES,
                seed=self.seed,
                max_epochs=EPOCHS,
                constraints=[Constraint.parse(limit) for limit in LIMITS],
                known_cost=flops,
            ),
            search=SearchConfig(
                searcher=self.searcher,
                scheduler=self.scheduler,
                reduction_factor=2,
                cost_gate="constraints",
            ),
            budget=SweepBudget(
                trials=self.trials,
                epochs=EPOCHS,
                device_hours=self.device_hours,
                stagnation_trials=self.stagnation_trials,
            ),
        )

    def make_searcher(self) -> Searcher:
        """Return a searcher without constraints, so that the gate has something to reject."""
        setup = self.setup
        return replace(setup, problem=replace(setup.problem, constraints=())).searcher()

    def start(self) -> None:
        """Do what a driver does when it starts or resumes."""
        self.lanes = SimulatedLanes(training_of, lanes=self.workers)
        self.sweep = make_sweep(
            self.setup,
            journal=self.tape,
            clock=self.lanes.clock,
            listeners=[self.lanes],
            searcher=self.make_searcher(),
        )
        self.sweep.replay(list(self.tape))

    def run(self, until: int | None = None) -> None:
        """Run to the end, or until the tape holds ``until`` events or a few more."""
        while until is None or len(self.tape) < until:
            trial_id = self.lanes.step(self.sweep)
            if trial_id is None:
                self.sweep.settle()
                return
            self.reports += 1
            if self.lose_every is not None and self.reports % self.lose_every == 0:
                self._lose(trial_id)

    def _lose(self, trial_id: str) -> None:
        """Lose the lane of a trial that has just reported, so that no training is lost."""
        if trial_id in self.lanes.running:
            self.lanes.lose(self.sweep, trial_id, "notice")
            self.lanes.lose(self.sweep, trial_id, "preemption", "the machine was taken back")
            self.losses += 1

    def crash(self, keep: int) -> None:
        """Lose everything but the first ``keep`` events."""
        del self.tape[keep:]


def uninterrupted(events: list[SweepEvent]) -> list[SweepEvent]:
    """Return the events without those that only an interruption causes."""
    kept: list[SweepEvent] = []
    attempts: dict[str, int] = {}
    on_lanes: set[str] = set()
    for event in events:
        match event:
            case TrialStarted():
                if event.trial_id in on_lanes:
                    continue
                on_lanes.add(event.trial_id)
                attempts[event.trial_id] = attempts.get(event.trial_id, 0) + 1
                kept.append(replace(event, attempt=attempts[event.trial_id]))
                continue
            case TrialJudged(action="pause"):
                on_lanes.discard(event.trial_id)
            case TrialEnded(state="preempted") | TrialInterrupted() | TrialRestored():
                continue
            case _:
                pass
        kept.append(event)
    return kept


@pytest.fixture(scope="session")
def simulated_sweep() -> Callable[..., SimulatedSweep]:
    """Return a function that makes a sweep on simulated lanes, started and not run."""

    def make(**settings: object) -> SimulatedSweep:
        made = SimulatedSweep(**settings)  # type: ignore[arg-type]
        made.start()
        return made

    return make


@pytest.fixture(scope="session")
def without_interruptions() -> Callable[[list[SweepEvent]], list[SweepEvent]]:
    return uninterrupted
