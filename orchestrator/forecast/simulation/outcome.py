"""The outcome of a simulated sweep, from its events."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.forecast.simulation.front import GrowingFront
from orchestrator.forecast.simulation.result import SeedResult
from orchestrator.ledger.events import EpochReported, TrialEnded, TrialStarted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.lanes.occupancy import Occupancy
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import TrialRecord
    from orchestrator.spec.objectives import Objective


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
