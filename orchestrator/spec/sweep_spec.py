"""A whole sweep as one frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from annotated_types import Gt, Len

from cluster.capacity.resources import Resources
from orchestrator.spec.budget import SweepBudget
from orchestrator.spec.objectives import DEFAULT_OBJECTIVES, Objective
from orchestrator.spec.strategies import DEFAULT_SCHEDULER, DEFAULT_SEARCHER
from orchestrator.spec.text.sqlite_uri import sqlite_uri
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

    from orchestrator.spec.baselines.baseline import Baseline
    from orchestrator.spec.constraints import Constraint
    from search_spaces.space import SearchSpace

STORAGE_VARIABLE = "SEGSWEEP_STORAGE"
"""Environment variable that names the storage root where a spec does not."""

ExportedTrials: TypeAlias = Literal["front", "knee", "none"]

CostGateMode: TypeAlias = Literal["full", "constraints"]

SpaceSource: TypeAlias = "str | Mapping[str, object]"
"""The space as text has it: the name of a preset, or dimensions with their domains."""


def default_storage_root() -> str:
    """Return the absolute folder of the variable ``SEGSWEEP_STORAGE``, else ``./segsweep-runs``."""
    return str(Path(os.environ.get(STORAGE_VARIABLE) or "segsweep-runs").expanduser().absolute())


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """What proposes configurations and what stops trials early."""

    searcher: str = DEFAULT_SEARCHER
    """Name of the searcher in ``orchestrator.search.searchers.registry``."""
    scheduler: str = DEFAULT_SCHEDULER
    """Name of the early-stopping scheduler in ``orchestrator.search.schedulers.registry``."""
    grace_period: PositiveInt = 1
    """Epochs every trial gets before it may be stopped; as many as a full training has, or
    more, stop nothing."""
    reduction_factor: Annotated[float, Gt(1)] = 3
    """One of so many trials passes a rung; rungs grow by the same factor; > 1."""
    seed: Seed = 0
    """Seed of the proposals; the same seed proposes the same configurations."""
    cost_gate: CostGateMode = "full"
    """What the cost gate settles before the first epoch: ``constraints``, the configurations that
    break one; ``full``, those that cannot reach the front any more, too."""
    warm_start: bool | tuple[str, ...] = False
    """Sweeps whose trials searcher and scheduler know from the start, by their names in the
    tracking store; true takes all on the same data with the same objectives and target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifacts:
    """What is left to be deployed when the sweep ends."""

    trials: ExportedTrials = "front"
    """Which trials leave artifacts: all on the front, its knee point alone, or none; any other one
    does by ``segsweep export``."""
    formats: tuple[ArtifactFormat, ...] | None = None
    """What each leaves: ``pte`` (ExecuTorch with XNNPACK), ``onnx``, ``pt2`` (torch); None takes
    those whose libraries are installed."""
    images: PositiveInt | None = 200
    """Validation images, spread over the set, on which an artifact is compared with its model; None
    for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracking:
    """Where MLflow keeps the record."""

    uri: NonEmptyStr | None = None
    """Address of the tracking store; None takes ``mlflow.db`` (SQLite) in the storage root."""
    experiment: Annotated[str, Len(1, 500)] = "segsweep"
    """Name of the MLflow experiment; made if there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Folders that a sweep writes to."""

    root: NonEmptyStr = field(default_factory=default_storage_root)
    """Folder of sweeps, ledgers and the default tracking store; absolute."""
    cache: NonEmptyStr | None = None
    """Folder of decoded images, soft labels and profiles; None takes ``cache`` in ``root``."""
    mirror: NonEmptyStr | None = None
    """Address in an object store (``s3://BUCKET/FOLDER``) that the sweep is copied to while it
    runs, from which another machine may go on with it; None copies nothing."""
    mirror_seconds: PositiveFloat = 30.0
    """Least time between two passes of copying, seconds; what a machine takes with it."""
    disk_budget_gb: PositiveFloat | None = None
    """What the weights of all trials may take, GB of 1e9 bytes: beyond it those of dominated
    trials that are over are removed, those on the front never; None keeps all."""

    @property
    def cache_dir(self) -> Path:
        """Folder of what several sweeps share."""
        return Path(self.cache) if self.cache else Path(self.root) / "cache"


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSpec:
    """Everything that a sweep depends on."""

    name: str = "sweep"
    """Name for people; a sweep's identity adds the time to it."""
    space: SearchSpace
    """What may be tried."""
    space_source: SpaceSource | None = field(default=None, compare=False)
    """The text that ``space`` was read from, for printing; None where it was made in Python."""
    data: DataConfig = field(default_factory=DataConfig)
    """The labelled images."""
    teacher: TeacherConfig | None = None
    """Model to distil from; None trains students on labels alone."""
    objectives: tuple[Objective, ...] = DEFAULT_OBJECTIVES
    """What the front is spanned by; ``miou`` is one of them."""
    constraints: tuple[Constraint, ...] = ()
    """Bounds that a trial must keep; one that breaks them is infeasible."""
    baselines: tuple[Baseline, ...] = ()
    """Configurations that are tried first, to be compared with what is found."""
    budget: SweepBudget = field(default_factory=SweepBudget)
    """When the sweep ends."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """How configurations are found."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How every trial is trained."""
    target: TargetConfig = field(default_factory=TargetConfig)
    """Where latency is measured."""
    resources: Resources = field(default_factory=Resources)
    """What a lane holds."""
    artifacts: Artifacts = field(default_factory=Artifacts)
    """What is left to be deployed."""
    tracking: Tracking = field(default_factory=Tracking)
    """Where the record is kept."""
    storage: Storage = field(default_factory=Storage)
    """Where files are kept."""

    @property
    def tracking_uri(self) -> str:
        """Address of the tracking store, with the default settled and secrets put in.

        Raises:
            SecretError: it names a variable that the environment does not have.
        """
        if self.tracking.uri:
            return expand(self.tracking.uri)
        return sqlite_uri(Path(self.storage.root) / "mlflow.db")
