"""Facts about a sweep for its MLflow run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.spec.budget import SweepBudget
    from orchestrator.spec.objectives import Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepInfo:
    """Facts about a sweep that its events do not contain."""

    sweep_id: str
    """Id of the sweep, unique in the tracking store."""
    objectives: tuple[Objective, ...]
    """Objectives of the front, at least one."""
    started_ms: int
    """First start of the sweep, ms since 1970; unchanged by a resume."""
    trials_dir: Path
    """Folder with one folder per trial, named by its id."""
    experiment: str = "segsweep"
    """Name of the MLflow experiment."""
    seed: int | None = None
    """Seed of the sweep."""
    git_commit: str | None = None
    """Commit of the running code; None outside a repository."""
    dataset_digest: str | None = None
    """Digest of the data set."""
    data_warnings: tuple[str, ...] = ()
    """Warnings of the data check, one line each."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages."""
    spec_text: str | None = None
    """The whole spec as YAML."""
    workers_per_trial: int = 1
    """Train workers of a trial, >= 1."""
    epochs: int | None = None
    """Epochs of a complete training, >= 1."""
    budget: SweepBudget | None = None
    """Budget of the sweep; None if its time left is not estimated."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """Names of the baselines by the digest of their configuration."""

    def at_ms(self, seconds: float) -> int:
        """Return the time ``seconds`` after the start of the sweep, ms since 1970."""
        return self.started_ms + round(seconds * 1000)
