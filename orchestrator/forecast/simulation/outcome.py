"""The outcome of a simulated sweep, from its events."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestrator.ledger.events import EpochReported, TrialEnded, TrialStarted
from orchestrator.search.pareto import GrowingFront

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.lanes.simulated import Occupancy
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import TrialRecord
    from orchestrator.spec.objectives import Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedResult:
    """One simulated sweep."""

    hypervolume: float
    """Hypervolume at the end, where every trial counts with its best value so far; >= 0."""
    curve: tuple[tuple[float, float], ...]
    """(virtual seconds, hypervolume) at the start, whenever it grew, at the end."""
    started: int
    """Trials that were started."""
    completed: int
    """Trials trained to the last epoch."""
    stopped: int
    """Trials stopped before it by the scheduler."""
    virtual_seconds: float
    """Length of the sweep on the virtual clock, seconds."""
    utilization: float | None = None
    """Share of the lanes' time in which they trained, from when all had a trial to when nothing
    more could be started, [0, 1]; None where that never was."""
    bottleneck: str = ""
    """What lanes waited for most."""

    def hypervolume_at(self, seconds: float) -> float:
        """Return the hypervolume reached after so many virtual seconds."""
        return max((volume for when, volume in self.curve if when <= seconds), default=0.0)

    def seconds_to(self, hypervolume: float) -> float | None:
        """Return when ``hypervolume`` was first reached; None where it was not."""
        return next((when for when, volume in self.curve if volume >= hypervolume), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationResult:
    """The same sweep simulated with several seeds."""

    seeds: tuple[SeedResult, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain lists, numbers and texts: ``{"seeds": [{...}, ...]}``."""
        return {
            "seeds": [
                {**asdict(seed), "curve": [list(point) for point in seed.curve]}
                for seed in self.seeds
            ]
        }


class OutcomeRecorder:
    """Counts trials and follows the hypervolume of their best values so far; a listener."""

    def __init__(
        self, objectives: Sequence[Objective], reference_point: Mapping[str, float]
    ) -> None:
        """Start with no trial.

        Args:
            objectives: Names and directions.
            reference_point: A value of each, beyond which a point adds no hypervolume.
        """
        self._names = tuple(objective.name for objective in objectives)
        self._front = GrowingFront(objectives, reference_point)
        self._curve: list[tuple[float, float]] = [(0.0, 0.0)]
        self._ends: Counter[str] = Counter()
        self._started = 0
        self.epochs = 0
        """Epochs, over all trials."""

    def on_event(
        self,
        event: SweepEvent,
        record: TrialRecord,
        *,
        replayed: bool = False,  # noqa: ARG002 - alike
    ) -> None:
        """Receive one event."""
        match event:
            case TrialStarted():
                self._started += event.attempt == 1
            case EpochReported():
                self.epochs += 1
                if self._front.add([record.metrics[name] for name in self._names]):
                    self._curve.append((event.seconds, self._front.hypervolume))
            case TrialEnded():
                self._ends[event.state] += 1
            case _:
                pass

    def result(self, seconds: float, occupancy: Occupancy) -> SeedResult:
        """Return the outcome of a sweep that ended at second ``seconds``."""
        return SeedResult(
            hypervolume=self._front.hypervolume,
            curve=(*self._curve, (seconds, self._front.hypervolume)),
            started=self._started,
            completed=self._ends["complete"],
            stopped=self._ends["stopped"],
            virtual_seconds=seconds,
            utilization=occupancy.share(seconds),
            bottleneck=occupancy.bottleneck(),
        )
