"""Plan of a sweep: one value that can be printed, saved and scored."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.search.pareto import hypervolume
from orchestrator.spec.parse import spec_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.domains import Value


FILE = "plan.json"
"""Name of a plan among a sweep's files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A forecast number: in eight of ten simulated sweeps from ``low`` to ``high``."""

    low: float
    median: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in the interval."""
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Figures of the simulated sweeps."""

    simulations: int
    """Number of them, >= 1."""
    trials: Range
    """Trials started; more than the budget where measured costs rule some out."""
    complete: Range
    """Trials trained to their end."""
    stopped: Range
    """Trials stopped early."""
    epochs: Range
    """Epochs, over all trials."""
    seconds: Range
    """Wall time."""
    device_hours: Range
    """Time on lanes times the workers of each."""
    hypervolume: Range
    """At the end; every trial counts with its best mIoU so far."""
    curve: tuple[tuple[float, Range], ...]
    """Hypervolume after each share of the sweep's time, in (0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A configuration of the space with what it costs."""

    config: Mapping[str, Value]
    costs: Mapping[str, float]
    """Static costs as they are, ``latency_ms`` and ``epoch_seconds`` as they are expected."""
    verdict: str | None = None
    """Why the cost gate would settle it by its static costs; None where it would not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlan:
    """What a sweep will do."""

    spec_digest: str
    """``spec_digest`` of the spec."""
    configurations: float
    """Size of the space; may be infinite."""
    searched: tuple[str, ...]
    """Dimensions with more than one value."""
    samples: tuple[Sample, ...]
    """Some configurations, the cheapest first."""
    infeasible_share: float
    """Share of the space that breaks a constraint on static costs, [0, 1], estimated."""
    lanes: int
    """Trials at the same time, >= 1."""
    train_workers: int
    """Train workers of each, >= 1."""
    budget_trials: int
    """Trials that are trained at most."""
    baselines: int = 0
    """Those of them that are baselines, which come first."""
    warm_trials: int = 0
    """Trials of earlier sweeps that the searcher knows from the start."""
    reference_point: Mapping[str, float]
    """Where the hypervolume is measured from; objectives without a forecast are left out."""
    basis: str
    """Where the forecast comes from, in words."""
    forecast: Forecast
    """What the sweep is expected to do."""


def spec_digest(spec: SweepSpec) -> str:
    """Return 16 hex digits that are equal for specs which do the same."""
    settings = spec_settings(spec)
    for place in ("name", "storage", "tracking"):
        del settings[place]
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_mapping(plan: SweepPlan) -> dict[str, object]:
    """Return the plan as JSON types; an infinite size is null."""
    size = plan.configurations
    return {**asdict(plan), "configurations": size if math.isfinite(size) else None}


def from_mapping(values: Mapping[str, object]) -> SweepPlan:
    """Return the plan that ``to_mapping`` wrote.

    Raises:
        TypeError, KeyError: it is no such plan.
    """
    given = json.loads(json.dumps(values))
    found = given.pop("forecast")
    curve = tuple((share, Range(**value)) for share, value in found.pop("curve"))
    simulations = found.pop("simulations")
    ranges = {name: Range(**value) for name, value in found.items()}
    size = given.pop("configurations")
    return SweepPlan(
        configurations=math.inf if size is None else size,
        searched=tuple(given.pop("searched")),
        samples=tuple(Sample(**each) for each in given.pop("samples")),
        forecast=Forecast(simulations=simulations, curve=curve, **ranges),
        **given,
    )


def save_plan(plan: SweepPlan, root: Path) -> Path:
    """Keep the plan below the storage root, for the sweep that will run the same spec."""
    path = _place(root, plan.spec_digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_mapping(plan), indent=1, allow_nan=False), encoding="utf-8")
    return path


def adopt_plan(spec: SweepSpec, root: Path, folder: Path) -> bool:
    """Copy the plan that was made of ``spec``, if any, to the sweep's folder; say whether."""
    kept = _place(root, spec_digest(spec))
    if not kept.is_file():
        return False
    (folder / FILE).write_bytes(kept.read_bytes())
    return True


def load_plan(folder: Path) -> SweepPlan | None:
    """Return the plan of the sweep in ``folder``; None where none can be read."""
    try:
        return from_mapping(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _place(root: Path, digest: str) -> Path:
    return Path(root) / "plans" / f"{digest}.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """One figure of the plan and its actual value."""

    name: str
    planned: Range
    """Median with the interval of eight in ten."""
    actual: float

    @property
    def within(self) -> bool:
        """Whether the actual value is in the interval."""
        return self.planned.holds(self.actual)


def score_plan(
    plan: SweepPlan,
    records: SweepRecords,
    objectives: Sequence[Objective],
    *,
    workers_per_trial: int = 1,
) -> tuple[Scored, ...]:
    """Return the plan's figures beside those of the sweep so far.

    The hypervolume is measured as in the plan: from its reference point, every trained trial with
    the best mIoU of its epochs.

    Args:
        plan: The plan.
        records: The trials of the sweep.
        objectives: Those of the sweep.
        workers_per_trial: Devices a trial holds while it runs.
    """
    trained = [trial for trial in records.trials if trial.epochs_done]
    chosen = tuple(each for each in objectives if each.name in plan.reference_point)
    points = [[_value(trial, each.name) for each in chosen] for trial in trained]
    said = plan.forecast
    busy = sum(trial.busy_seconds for trial in records.trials) * workers_per_trial / 3600
    figures = {
        "device_hours": (said.device_hours, busy),
        "seconds": (said.seconds, records.seconds),
        "epochs": (said.epochs, float(sum(trial.epochs_done for trial in trained))),
        "complete": (said.complete, float(len(records.complete))),
        "hypervolume": (said.hypervolume, hypervolume(points, chosen, plan.reference_point)),
    }
    return tuple(
        Scored(name=name, planned=planned, actual=actual)
        for name, (planned, actual) in figures.items()
    )


def score_line(scores: Sequence[Scored]) -> str:
    """Return the score in one sentence."""
    parts = [
        f"{each.name.replace('_', '-')} {each.actual:.3g} "
        f"(planned {each.planned.median:.3g}, {each.planned.low:.3g} to {each.planned.high:.3g})"
        for each in scores
    ]
    right = sum(each.within for each in scores)
    return f"plan: {right} of {len(scores)} figures within their intervals; {', '.join(parts)}"


def _value(trial: TrialRecord, name: str) -> float:
    if name != "miou":
        return trial.metrics.get(name, math.nan)
    seen = [metrics.get(name, math.nan) for _, metrics in trial.history]
    return max((value for value in seen if math.isfinite(value)), default=math.nan)
