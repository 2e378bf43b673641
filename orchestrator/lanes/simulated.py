"""Lanes on a virtual clock, which run the trials of a sweep without training."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialInterrupted,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.messages import Interruption


NO_TRIAL = "nothing left to start"
DECISIONS = "decisions of the driver"
HANDOVER = "hand-over of lanes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Overheads:
    """What a trial costs besides its training."""

    handover_seconds: float = 0.0
    """Time of a lane between the decision and the training, seconds, >= 0."""
    timer: Callable[[], float] | None = None
    """Clock that real decisions are timed with; the driver takes one after the other. None lets
    them cost nothing."""


FREE = Overheads()


class Occupancy:
    """Adds up what lanes do, from when all were filled first to when nothing more could start."""

    def __init__(self, lanes: int) -> None:
        """Begin with ``lanes`` >= 1 that wait."""
        self._lanes = lanes
        self._running = 0
        self._spans: list[tuple[float, float]] = []
        self._filled: float | None = None
        self._dry: float | None = None
        self._waits = {DECISIONS: 0.0, HANDOVER: 0.0}

    def started(self, now: float, *, waited: float, handover: float) -> None:
        """Take note of a trial that got a free lane ``waited`` seconds after ``now``."""
        self._running += 1
        self._waits[DECISIONS] += waited
        self._waits[HANDOVER] += handover
        if self._running == self._lanes and self._filled is None:
            self._filled = now + waited + handover

    def trained(self, begin: float, end: float) -> None:
        """Take note of an epoch that ran from ``begin`` to ``end``."""
        self._spans.append((begin, end))

    def freed(self) -> None:
        """Take note of a lane that waits again."""
        self._running -= 1

    def ran_dry(self, now: float) -> None:
        """Take note that a lane was free and there was nothing to start."""
        if self._dry is None:
            self._dry = now

    def share(self, end: float) -> float | None:
        """Return the busy share of the lanes' time in the steady state, [0, 1]; None without one.

        Args:
            end: End of the sweep, seconds.
        """
        begin, last = self._filled, min(end, end if self._dry is None else self._dry)
        if begin is None or not last > begin:
            return None
        busy = sum(max(0.0, min(b, last) - max(a, begin)) for a, b in self._spans)
        return busy / (self._lanes * (last - begin))

    def bottleneck(self) -> str:
        """Return what lanes waited for most."""
        name, seconds = max(self._waits.items(), key=lambda item: item[1])
        return name if seconds > 0 else NO_TRIAL


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedTraining:
    """What a full training reports, and how long it takes."""

    epochs: Sequence[Mapping[str, float]]
    """Metrics after each epoch; at least one."""
    seconds: Sequence[float]
    """Duration of each epoch, >= 0."""
    known: Mapping[str, float] = field(default_factory=dict)
    """Static costs, part of the final metrics."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Costs reported before the first epoch; none are reported where it is empty."""
    measurement_seconds: float = 0.0
    """Time of their measurement, >= 0."""

    def metrics(self, epochs: int) -> dict[str, float]:
        """Return the metrics of a trial that ends after so many epochs."""
        last = self.epochs[epochs - 1] if epochs else {}
        return {**self.known, **self.measured, **last}


@dataclass(slots=True)
class _Trial:
    """A trial that has not ended for good, as its events show it."""

    asked: TrialAsked
    epoch: int = 0
    since: float = 0.0
    """When what it reports next began, seconds."""
    on_lane: bool = False
    profiled: bool = False
    training: SimulatedTraining | None = None
    due: float = math.nan
    """When it reports next; NaN while it holds no lane."""


class SimulatedLanes:
    """Drives a sweep on virtual lanes; its listener and its clock at once.

    The next report of every trial is an entry of a heap. All state comes from ``on_event``, so that
    a sweep that was cut anywhere and resumed with new lanes is the uninterrupted one: a trial that
    held a lane when the sweep was cut loses nothing.

    Example:
        >>> lanes = SimulatedLanes(training_of, lanes=8)
        >>> sweep = make_sweep(setup, journal=[], clock=lanes.clock, listeners=[lanes])
        >>> lanes.run(sweep)
    """

    def __init__(
        self,
        training_of: Callable[[TrialAsked], SimulatedTraining],
        *,
        lanes: int,
        overheads: Overheads = FREE,
    ) -> None:
        """Start at second 0 with free lanes.

        Args:
            training_of: Returns the training of a trial; called once, at its first start.
            lanes: Trials at the same time, >= 1.
            overheads: What a trial costs besides its training.
        """
        self._training_of = training_of
        self._overheads = overheads
        self._free = lanes
        self._trials: dict[str, _Trial] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._now = 0.0
        self._driver_free = 0.0
        self.occupancy = Occupancy(lanes)
        """How much of the lanes' time was used."""

    def clock(self) -> float:
        """Return the virtual time since the sweep began, seconds."""
        return self._now

    def on_event(self, event: SweepEvent, _: object, /, *, replayed: bool = False) -> None:
        """Follow the trials; after replayed events the clock shows the last one's time."""
        if replayed:
            self._now = max(self._now, event.seconds)
        if isinstance(event, TrialAsked):
            self._trials[event.trial_id] = _Trial(event)
            return
        trial = self._trials.get(event.trial_id)
        if trial is None:
            return
        match event:
            case EpochReported():
                trial.epoch, trial.since = event.epoch, event.seconds
            case TrialProfiled():
                trial.profiled, trial.since = True, event.seconds
            case TrialStarted() if not trial.on_lane:
                trial.on_lane = True
                trial.since = event.seconds + self._overheads.handover_seconds
            case TrialInterrupted() if event.cause != "notice":
                trial.since = event.seconds
            case TrialJudged(action="pause"):
                trial.on_lane = False
            case TrialEnded() if event.state != "preempted":
                del self._trials[event.trial_id]
            case _:
                pass

    @property
    def running(self) -> tuple[str, ...]:
        """Trials on lanes, in order of proposal."""
        return tuple(i for i, trial in self._trials.items() if not math.isnan(trial.due))

    def run(self, sweep: Sweep, *, until: float = math.inf) -> float:
        """Run the sweep to its end, or to second ``until``; return when it ended, seconds.

        Trials that run at ``until`` stay open, as when a driver is killed.
        """
        while self.step(sweep, until=until) is not None:
            pass
        if self._heap:
            return until
        sweep.settle()
        return self._now

    def step(self, sweep: Sweep, *, until: float = math.inf) -> str | None:
        """Fill the lanes, then pass on the next report; return its trial, None where none is due.

        Args:
            sweep: The sweep, whose listener and clock these lanes are.
            until: No report after this second is passed on.
        """
        while self._free and self._start(sweep):
            pass
        if self._free:
            self.occupancy.ran_dry(self._now)
        while self._heap and self._heap[0][0] <= until:
            when, _, trial_id = heapq.heappop(self._heap)
            trial = self._trials.get(trial_id)
            if trial is None or trial.training is None or trial.due != when:
                continue  # its lane was lost after the entry was made
            self._now = when
            self._report(sweep, trial, trial.training)
            return trial_id
        return None

    def lose(self, sweep: Sweep, trial_id: str, cause: Interruption, reason: str = "") -> None:
        """Lose the lane of a running trial now; another resumes it from its last whole epoch.

        A ``notice`` is recorded and changes nothing else.
        """
        sweep.interrupted(trial_id, cause, reason)
        trial = self._trials[trial_id]
        if cause == "notice" or trial.training is None:
            return
        trained = math.fsum(trial.training.seconds[: trial.epoch])
        sweep.restored(trial_id, trial.epoch, trained)
        self._schedule(trial, trial.training)

    def _start(self, sweep: Sweep) -> bool:
        """Put the next trial on a free lane; False where there is none."""
        timer = self._overheads.timer
        begin = 0.0 if timer is None else timer()
        following = sweep.next_trial()
        if following is None:
            return False
        took = 0.0 if timer is None else timer() - begin
        self._driver_free = max(self._driver_free, self._now) + took
        trial = self._trials[following[0].trial_id]
        waited, handover = self._driver_free - self._now, self._overheads.handover_seconds
        trial.since += waited
        self.occupancy.started(self._now, waited=waited, handover=handover)
        self._free -= 1
        if trial.training is None:
            trial.training = self._training_of(trial.asked)
        if trial.epoch == len(trial.training.epochs):  # cut between its last epoch and its end
            self._complete(sweep, trial, trial.training)
        else:
            self._schedule(trial, trial.training)
        return True

    def _schedule(self, trial: _Trial, training: SimulatedTraining) -> None:
        """Enter the next report of a running trial."""
        is_measuring = training.measured and not trial.profiled
        seconds = training.measurement_seconds if is_measuring else training.seconds[trial.epoch]
        due = max(self._now, trial.since + seconds)  # a resumed one may have waited for a lane
        if due != trial.due:
            trial.due = due
            heapq.heappush(self._heap, (due, trial.asked.number, trial.asked.trial_id))
            self.occupancy.trained(trial.since, due)

    def _report(self, sweep: Sweep, trial: _Trial, training: SimulatedTraining) -> None:
        """Pass on the report that is due now, then act on the decision."""
        trial_id, trial.due = trial.asked.trial_id, math.nan
        if training.measured and not trial.profiled:
            decision = sweep.profiled(trial_id, training.measured, {})
        else:
            epoch = trial.epoch + 1
            decision = sweep.epoch(trial_id, epoch, training.epochs[epoch - 1])
        if decision.action != "continue":
            sweep.ended(trial_id, "stopped", "", training.metrics(trial.epoch))
            self._release()
        elif trial.epoch == len(training.epochs):
            self._complete(sweep, trial, training)
        else:
            self._schedule(trial, training)

    def _complete(self, sweep: Sweep, trial: _Trial, training: SimulatedTraining) -> None:
        sweep.ended(trial.asked.trial_id, "complete", "", training.metrics(trial.epoch))
        self._release()

    def _release(self) -> None:
        self.occupancy.freed()
        self._free += 1
