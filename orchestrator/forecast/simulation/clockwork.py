"""One sweep on a virtual clock with virtual lanes."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.simulation.benchmark import (
    BenchmarkError,
    curve_of,
    known_of,
    objectives_of,
)
from orchestrator.forecast.simulation.front import GrowingFront
from orchestrator.forecast.simulation.occupancy import FREE, Occupancy, Overheads
from orchestrator.forecast.simulation.result import SeedResult
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.search.schedulers.base import judgement
from orchestrator.sweep.sweep import MAX_REJECTED_IN_A_ROW
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.gate import CostGate
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.sweep.stagnation import Stagnation
    from search_spaces.space import Config


@dataclass(slots=True)
class _Course:
    """A trial's future, cut into epochs."""

    values: NDArray[np.float64]
    durations: NDArray[np.float64]
    known: dict[str, float]
    epoch: int = 0
    attempt: int = 0


class Clockwork:
    """Runs one sweep: whenever a lane is free, a paused trial is taken up or a new one proposed.

    Every epoch's end is an entry of a heap, so that a step costs the logarithm of the number of
    lanes besides what the searcher and the scheduler cost. What ``gate`` settles costs no time and
    counts neither as started nor towards the number of trials; ``stagnation`` ends the proposals.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        searcher: Searcher,
        scheduler: Scheduler,
        *,
        seed: int,
        overheads: Overheads = FREE,
        gate: CostGate | None = None,
        stagnation: Stagnation | None = None,
    ) -> None:
        self._overheads = overheads
        self._occupancy = Occupancy(1)
        self._driver_free = 0.0
        self._benchmark = benchmark
        self._searcher = searcher
        self._scheduler = scheduler
        self._seed = seed
        self._gate = gate
        self._stagnation = stagnation
        self._rejected_in_a_row = 0
        self._started = 0
        self._objectives = objectives_of(benchmark)
        self._front = GrowingFront(self._objectives, benchmark.reference_point)
        self._heap: list[tuple[float, int, str]] = []
        self._courses: dict[str, _Course] = {}
        self._now = 0.0
        self._ticket = 0
        self._asked = 0
        self._completed = 0
        self._stopped = 0
        self._curve: list[tuple[float, float]] = [(0.0, 0.0)]

    def run(self, *, workers: int, seconds: float, max_trials: int | None = None) -> SeedResult:
        """Return what ``workers`` lanes reach in so many virtual seconds.

        The sweep ends earlier when nothing runs and nothing more may be started.
        """
        free = workers
        self._occupancy = Occupancy(workers)
        while True:
            while free and self._start_one(max_trials):
                free -= 1
            if free:
                self._occupancy.ran_dry(self._now)
            if not self._heap or self._heap[0][0] > seconds:
                break
            self._now, _, trial_id = heapq.heappop(self._heap)
            if not self._finish_epoch(trial_id):
                self._occupancy.freed()
                free += 1
        end = seconds if self._heap else self._now
        return SeedResult(
            hypervolume=self._front.hypervolume,
            curve=(*self._curve, (end, self._front.hypervolume)),
            started=self._started,
            completed=self._completed,
            stopped=self._stopped,
            virtual_seconds=end,
            utilization=self._occupancy.share(end),
            bottleneck=self._occupancy.bottleneck(),
        )

    def _start_one(self, max_trials: int | None) -> bool:
        """Put a trial on a free lane; False where there is none to put."""
        timer = self._overheads.timer
        begin = 0.0 if timer is None else timer()
        if self._stagnation is not None and self._stagnation.reached:
            return False
        trial_id = self._scheduler.promote()
        if trial_id is None and (max_trials is None or self._started < max_trials):
            trial_id = self._new_trial()
        if trial_id is None:
            return False
        course = self._courses[trial_id]
        course.attempt += 1
        self._happen(TrialStarted(trial_id=trial_id, attempt=course.attempt, seconds=self._now))
        took = 0.0 if timer is None else timer() - begin
        self._driver_free = max(self._driver_free, self._now) + took
        waited, handover = self._driver_free - self._now, self._overheads.handover_seconds
        self._occupancy.started(self._now, waited=waited, handover=handover)
        self._schedule(trial_id, delay=waited + handover)
        return True

    def _new_trial(self) -> str | None:
        """Return the first proposal that the gate lets pass; None when there is no other."""
        while self._rejected_in_a_row < MAX_REJECTED_IN_A_ROW:
            config = self._searcher.propose(self._asked)
            if config is None:
                return None
            trial_id = self._ask(config)
            known = self._courses[trial_id].known
            verdict = None if self._gate is None else self._gate.judge(known, config)
            if verdict is None:
                self._rejected_in_a_row = 0
                self._started += 1
                return trial_id
            self._rejected_in_a_row += 1
            ended = TrialEnded(
                trial_id=trial_id,
                state="infeasible",
                reason=verdict,
                metrics=known,
                seconds=self._now,
            )
            self._end(trial_id, ended)
        return None

    def _ask(self, config: Config) -> str:
        trial_id = f"t{self._asked:05d}"
        known = known_of(self._benchmark, config)
        missing = [o.name for o in self._objectives[1:] if o.name not in known]
        if missing:
            raise BenchmarkError(
                f"known() must return every objective but the first, for {config} it lacks "
                f"{', '.join(missing)}"
            )
        self._courses[trial_id] = self._course(config, known)
        self._happen(
            TrialAsked(
                trial_id=trial_id,
                number=self._asked,
                config=config,
                known=known,
                seconds=self._now,
            )
        )
        self._asked += 1
        return trial_id

    def _course(self, config: Config, known: dict[str, float]) -> _Course:
        noise = np.random.SeedSequence((self._seed, int(config_digest(config), 16)))
        seed = int(noise.generate_state(1)[0])
        values, durations = curve_of(self._benchmark, config, seed)
        return _Course(values, durations, known)

    def _schedule(self, trial_id: str, *, delay: float = 0.0) -> None:
        course = self._courses[trial_id]
        self._ticket += 1
        begin = self._now + delay
        when = begin + float(course.durations[course.epoch])
        self._occupancy.trained(begin, when)
        heapq.heappush(self._heap, (when, self._ticket, trial_id))

    def _finish_epoch(self, trial_id: str) -> bool:
        """Report the epoch that ended now; return whether the trial keeps its lane."""
        course = self._courses[trial_id]
        learned = self._objectives[0].name
        value = float(course.values[course.epoch])
        course.epoch += 1
        point = {**course.known, learned: value}
        if self._front.add([point[objective.name] for objective in self._objectives]):
            self._curve.append((self._now, self._front.hypervolume))
        self._happen(
            EpochReported(
                trial_id=trial_id,
                epoch=course.epoch,
                metrics={learned: value},
                seconds=self._now,
            )
        )
        if course.epoch == self._benchmark.max_epochs:
            self._completed += 1
            self._end(trial_id, TrialEnded(trial_id=trial_id, state="complete", metrics=point))
            return False
        decision = self._scheduler.decide(trial_id)
        judged = judgement(trial_id, decision, seconds=self._now)
        if judged is not None:
            self._happen(judged)
        if decision.action == "stop":
            self._stopped += 1
            self._end(
                trial_id, TrialEnded(trial_id=trial_id, state="stopped", reason=decision.reason)
            )
        elif decision.action == "continue":
            self._schedule(trial_id)
        return decision.action == "continue"

    def _end(self, trial_id: str, event: TrialEnded) -> None:
        del self._courses[trial_id]
        self._happen(event)

    def _happen(self, event: SweepEvent) -> None:
        self._searcher.observe(event)
        self._scheduler.observe(event)
        if self._gate is not None:
            self._gate.observe(event)
        if self._stagnation is not None:
            self._stagnation.observe(event)
