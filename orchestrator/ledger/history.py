"""Sweep history: trials of earlier sweeps that compare with those of a planned sweep."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from orchestrator.ledger.events import SYSTEM_PREFIX
from orchestrator.ledger.folders import list_sweeps
from orchestrator.ledger.ledger import Ledger, LedgerError
from orchestrator.ledger.records import fold
from orchestrator.spec.parse import load_spec, parse_spec
from orchestrator.spec.text import SpecError
from search_spaces.domains import Categorical, Int, LogInt
from trainables.config import TargetConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.ledger.records import TrialRecord
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, SearchSpace
    from trainables.config import Precision


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierTrial:
    """A trial of an earlier sweep that is complete or was stopped."""

    sweep_id: str
    trial_id: str
    params: Mapping[str, str]
    """Its config, values as text."""
    metrics: Mapping[str, float]
    """Its final metrics; a stopped trial may lack some."""
    complete: bool
    curve: tuple[tuple[int, float], ...] = ()
    """``(epoch, mIoU)`` in order of epochs, from 1."""
    epoch_seconds: float = math.nan
    """Duration of its last epoch; NaN if not recorded."""
    seconds: float = math.nan
    """Time from its proposal to its end; NaN if not recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierSweep:
    """An earlier sweep."""

    sweep_id: str
    dataset_digest: str | None
    """Digest of its data set; None if not recorded."""
    spec_text: str | None
    """Its spec as YAML; None if not recorded."""
    experiment_id: str = field(repr=False)
    run_id: str = field(repr=False)


class SweepHistory(Protocol):
    """Reader of earlier sweeps; ``orchestrator.tracking.history.History`` implements it."""

    def sweeps(self) -> tuple[EarlierSweep, ...]:
        """Return all sweeps, the oldest first."""

    def trials(self, sweep: EarlierSweep) -> tuple[EarlierTrial, ...]:
        """Return the complete and the stopped trials of a sweep, in order of proposal."""


def recorded_settings(sweep: EarlierSweep) -> dict[str, Any] | None:
    """Return the spec of ``sweep`` as plain values; None if not recorded."""
    try:
        settings = yaml.safe_load(sweep.spec_text or "")
    except yaml.YAMLError:
        return None
    if not isinstance(settings, dict):
        return None
    if isinstance(settings.get("target"), dict):  # a former version may lack settings
        settings["target"] = {**asdict(TargetConfig()), **settings["target"]}
    return settings


def read_config(params: Mapping[str, str], space: SearchSpace) -> Config | None:
    """Return the point of ``space`` with these values as text; None if there is no such point."""
    config: Config = {}
    for name in space.names:
        if name in params:
            value = _value(space[name].domain, params[name])
            if value is None:
                return None
            config[name] = value
    foreign = params.keys() - config.keys()
    return None if foreign or space.faults(config) else config


def _value(domain: Domain, text: str) -> Value | None:
    if isinstance(domain, Categorical):
        return next((choice for choice in domain.choices if str(choice) == text), None)
    try:
        return int(text) if isinstance(domain, Int | LogInt) else float(text)
    except ValueError:
        return None


MOST_SWEEPS = 20
"""Most sweeps that are read, latest first."""
RESERVED = "peak_reserved_mb"
"""Metric of trainings on GPUs: memory that PyTorch's allocator reserved at most, MB."""
GPU_METRICS = f"{SYSTEM_PREFIX}gpu_"
"""Prefix of the system metrics of lanes with GPUs."""
ENOUGH_TRAININGS = 1000
"""Trainings after which no further sweep is read; a sweep in a tracking store takes seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierTraining:
    """One training of an earlier sweep on the same data."""

    sweep_id: str
    config: Config
    """Its config; empty if it is outside the planned space."""
    costs: Mapping[str, float]
    """Its metrics, such as ``macs`` and ``latency_ms``."""
    curve: tuple[float, ...]
    """mIoU after each epoch; not empty."""
    complete: bool
    """Whether it ran all epochs."""
    epoch_seconds: float
    """Duration of an epoch, > 0: the mean, or the last epoch's if only that is recorded."""
    other_seconds: float
    """Time on its lane outside epochs, >= 0."""
    on_gpu: bool = False
    """Whether it ran on a GPU; False where that is not recorded."""
    precision: Precision = "auto"
    """Autocast type on GPUs, as its spec has it."""


def stored_trainings(spec: SweepSpec) -> tuple[EarlierTraining, ...]:
    """Return the comparable trainings of the latest sweeps in the storage root.

    A sweep compares if data, target and number of train workers are those of ``spec``. Sweeps that
    cannot be read are skipped.
    """
    trainings: list[EarlierTraining] = []
    for folder in list_sweeps(Path(spec.storage.root))[:MOST_SWEEPS]:
        try:
            other = load_spec(folder.spec)
            if _compares(other, spec) and other.data == spec.data:
                with Ledger(folder.ledger) as ledger:
                    trials = fold(event for _, event in ledger.events()).trials
                trainings += filter(None, (_training(t, folder.sweep_id, other) for t in trials))
        except (SpecError, LedgerError, ValueError):
            continue
    return tuple(trainings)


def tracked_trainings(
    spec: SweepSpec, history: SweepHistory, dataset_digest: Callable[[], str | None]
) -> tuple[EarlierTraining, ...]:
    """Return the comparable trainings of the latest sweeps in a tracking store.

    A sweep compares as in ``stored_trainings``, except that equal data may lie in another folder.
    Sweeps in the storage root are skipped: ``stored_trainings`` reads more of them.

    Args:
        spec: Spec of the planned sweep.
        history: The tracking store.
        dataset_digest: Returns the digest of the spec's data set; called only for a sweep that
            used another folder.

    Raises:
        TrackingError: the tracking store cannot be read.
    """
    stored = {folder.sweep_id for folder in list_sweeps(Path(spec.storage.root))}
    tracked = [sweep for sweep in history.sweeps() if sweep.sweep_id not in stored]
    comparable = [sweep for sweep in tracked if _tracked_compares(sweep, spec, dataset_digest)]
    trainings: list[EarlierTraining] = []
    for sweep in reversed(comparable[-MOST_SWEEPS:]):
        trainings += filter(None, (_tracked_training(t, spec) for t in history.trials(sweep)))
        if len(trainings) >= ENOUGH_TRAININGS:
            break
    return tuple(trainings)


def _compares(other: SweepSpec, spec: SweepSpec) -> bool:
    same_workers = other.resources.train_workers == spec.resources.train_workers
    return other.target == spec.target and same_workers


def _tracked_compares(
    sweep: EarlierSweep, spec: SweepSpec, dataset_digest: Callable[[], str | None]
) -> bool:
    settings = recorded_settings(sweep)
    try:
        other = None if settings is None else parse_spec(settings)
    except SpecError:
        return False
    if other is None or not _compares(other, spec):
        return False
    if other.data == spec.data:
        return True
    alike = replace(other.data, root=None) == replace(spec.data, root=None)
    return alike and sweep.dataset_digest is not None and sweep.dataset_digest == dataset_digest()


def _training(trial: TrialRecord, sweep_id: str, spec: SweepSpec) -> EarlierTraining | None:
    curve = [metrics.get("miou", math.nan) for _, metrics in trial.history]
    seconds = [metrics.get("epoch_seconds", math.nan) for _, metrics in trial.history]
    valid = trial.state in {"complete", "stopped"} and all(map(math.isfinite, (*curve, *seconds)))
    if not curve or not valid or not sum(seconds) > 0 or not trial.metrics.get("macs", 0) > 0:
        return None
    return EarlierTraining(
        sweep_id=sweep_id,
        config=dict(trial.config),
        costs=trial.metrics,
        curve=tuple(curve),
        complete=trial.state == "complete",
        epoch_seconds=sum(seconds) / len(seconds),
        other_seconds=max(0.0, trial.busy_seconds - sum(seconds)),
        on_gpu=RESERVED in trial.metrics
        or any(name.startswith(GPU_METRICS) for _, metrics in trial.history for name in metrics),
        precision=spec.training.precision,
    )


def _tracked_training(trial: EarlierTrial, spec: SweepSpec) -> EarlierTraining | None:
    curve = tuple(miou for _, miou in trial.curve)
    epochs = trial.epoch_seconds * len(curve)
    if not epochs > 0 or not trial.metrics.get("macs", 0) > 0:  # NaN, or no curve
        return None
    return EarlierTraining(
        sweep_id=trial.sweep_id,
        config=read_config(trial.params, spec.space) or {},
        costs=trial.metrics,
        curve=curve,
        complete=trial.complete,
        epoch_seconds=trial.epoch_seconds,
        other_seconds=max(0.0, trial.seconds - epochs),
    )
