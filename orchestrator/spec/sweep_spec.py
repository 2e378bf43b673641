"""The spec of a sweep as frozen config dataclasses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from annotated_types import Gt, Len

from cluster.capacity.resources import Resources
from orchestrator.spec.objectives import DEFAULT_OBJECTIVES, Objective
from orchestrator.spec.text import sqlite_uri
from trainables.config import (
    ArtifactFormat,
    DataConfig,
    NonEmptyStr,
    PositiveFloat,
    PositiveInt,
    Seed,
    TargetConfig,
    TeacherConfig,
    TrainingConfig,
)
from trainables.io.redaction import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.spec.baselines import Baseline
    from orchestrator.spec.objectives import Constraint
    from search_spaces.space import SearchSpace

DEFAULT_SEARCHER = "cost-aware"
DEFAULT_SCHEDULER = "expected-improvement"
FORMER_SCHEDULERS = {"prospect": DEFAULT_SCHEDULER}
"""Current names by the former ones, which are still accepted."""
_SEARCHERS = ("random", DEFAULT_SEARCHER, "nsga2", "motpe")
_SCHEDULERS = (DEFAULT_SCHEDULER, "mo-asha", "mo-asha-promote", "asha", "none")


def searcher_names() -> tuple[str, ...]:
    """Return the names that ``make_searcher`` accepts."""
    return _SEARCHERS


def scheduler_names() -> tuple[str, ...]:
    """Return the names that ``make_scheduler`` accepts, the default first, without former ones."""
    return _SCHEDULERS


def current_scheduler(name: str) -> str:
    """Return the current name of a scheduler that may be given by its former one."""
    return FORMER_SCHEDULERS.get(name, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepBudget:
    """Limits after which a sweep proposes no further trial."""

    trials: PositiveInt = 16
    """Trials that are trained; those that the cost gate rejects do not count."""
    epochs: PositiveInt = 10
    """Epochs of a full training."""
    device_hours: PositiveFloat | None = None
    """Hours of training, summed over lanes and their workers; None for no limit."""
    stagnation_trials: PositiveInt | None = None
    """Consecutive trained trials without a 1 % larger hypervolume after which the sweep ends;
    None for no such limit."""


STORAGE_VARIABLE = "SEGSWEEP_STORAGE"
"""Environment variable with the storage root of a spec that sets none."""

ExportedTrials: TypeAlias = Literal["front", "knee", "none"]

CostGateMode: TypeAlias = Literal["full", "constraints"]

SpaceSource: TypeAlias = "str | Mapping[str, object]"
"""The space in its text form: the name of a preset, or dimensions with their domains."""


def default_storage_root() -> str:
    """Return the absolute folder of ``SEGSWEEP_STORAGE``, else ``./segsweep-runs``."""
    return str(Path(os.environ.get(STORAGE_VARIABLE) or "segsweep-runs").expanduser().absolute())


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """Searcher, early-stopping scheduler and cost gate."""

    searcher: str = DEFAULT_SEARCHER
    """Name of the searcher in ``orchestrator.search.searchers.registry``."""
    scheduler: str = DEFAULT_SCHEDULER
    """Name of the early-stopping scheduler in ``orchestrator.search.schedulers.registry``."""
    grace_period: PositiveInt = 1
    """Epochs before a trial may be stopped; from ``budget.epochs`` on, no trial is stopped."""
    reduction_factor: Annotated[float, Gt(1)] = 3
    """One in so many trials passes a rung; also the ratio of successive rungs."""
    seed: Seed = 0
    """Seed of the proposals; the same seed proposes the same configs."""
    cost_gate: CostGateMode = "full"
    """Which configs the cost gate rejects before the first epoch. ``constraints``: those that
    violate a constraint; ``full``: also those that can no longer reach the front."""
    warm_start: bool | tuple[str, ...] = False
    """Names of tracked sweeps whose trials searcher and scheduler observe first; true for all
    sweeps with the same data, objectives and target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifacts:
    """Artifacts that a sweep exports at its end."""

    trials: ExportedTrials = "front"
    """Which trials are exported: the front, its knee point, or none; ``segsweep export`` exports
    any trial."""
    formats: tuple[ArtifactFormat, ...] | None = None
    """Formats: ``pte`` (ExecuTorch with XNNPACK), ``onnx``, ``pt2`` (torch); None for those whose
    libraries are installed."""
    images: PositiveInt | None = 200
    """Evenly spaced validation images on which an artifact is compared with its model; None for
    all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """MLflow tracking."""

    uri: NonEmptyStr | None = None
    """Address of the tracking store; None for ``mlflow.db`` (SQLite) in the storage root."""
    experiment: Annotated[str, Len(1, 500)] = "segsweep"
    """Name of the MLflow experiment; created if missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Folders that a sweep writes to."""

    root: NonEmptyStr = field(default_factory=default_storage_root)
    """Folder of sweeps, ledgers and the default tracking store; absolute."""
    cache: NonEmptyStr | None = None
    """Folder of decoded images, soft labels and profiles; None for ``cache`` in ``root``."""
    mirror: NonEmptyStr | None = None
    """Address in an object store (``s3://BUCKET/FOLDER``) to which the sweep is copied while it
    runs, so that another machine can resume it; None copies nothing."""
    mirror_seconds: PositiveFloat = 30.0
    """Least time between two copies, seconds; a lost machine loses at most that."""
    disk_budget_gb: PositiveFloat | None = None
    """Limit for the weights of all trials, GB of 1e9 bytes. Beyond it, weights of ended dominated
    trials are deleted, never those of the front; None for no limit."""

    @property
    def cache_dir(self) -> Path:
        """Folder of files that several sweeps share."""
        return Path(self.cache) if self.cache else Path(self.root) / "cache"


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSpec:
    """All settings of a sweep."""

    name: str = "sweep"
    """Name; the sweep's id is the name with the time."""
    space: SearchSpace
    """Search space."""
    space_source: SpaceSource | None = field(default=None, compare=False)
    """Text form of ``space``, for printing; None if it was made in Python."""
    data: DataConfig = field(default_factory=DataConfig)
    """Data set."""
    teacher: TeacherConfig | None = None
    """Teacher of a distillation; None trains on labels alone."""
    objectives: tuple[Objective, ...] = DEFAULT_OBJECTIVES
    """Objectives of the Pareto front, ``miou`` among them."""
    constraints: tuple[Constraint, ...] = ()
    """Bounds on metrics; a trial that violates one is infeasible."""
    baselines: tuple[Baseline, ...] = ()
    """Configs that are trained first, for comparison."""
    budget: SweepBudget = field(default_factory=SweepBudget)
    """Limits of the sweep."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """Searcher and scheduler."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Training settings that all trials share."""
    target: TargetConfig = field(default_factory=TargetConfig)
    """Device and runtime of the latency measurement."""
    resources: Resources = field(default_factory=Resources)
    """Resources of a lane."""
    artifacts: Artifacts = field(default_factory=Artifacts)
    """Exported artifacts."""
    tracking: Tracking = field(default_factory=Tracking)
    """MLflow tracking."""
    storage: Storage = field(default_factory=Storage)
    """Folders of files."""

    @property
    def tracking_uri(self) -> str:
        """Address of the tracking store, with default and secrets filled in.

        Raises:
            SecretError: it names a variable that is missing in the environment.
        """
        if self.tracking.uri:
            return expand(self.tracking.uri)
        return sqlite_uri(Path(self.storage.root) / "mlflow.db")
