"""What the tracker is told about a sweep as a whole."""

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
    """Facts about a sweep that its events do not tell."""

    sweep_id: str
    """Identity of the sweep, unique in the tracking store."""
    objectives: tuple[Objective, ...]
    """What the front is spanned by, >= 1."""
    started_ms: int
    """When the sweep began first, milliseconds since 1970; the same when it is resumed."""
    trials_dir: Path
    """Folder that holds one folder per trial, named by its id."""
    experiment: str = "segsweep"
    """Name of the MLflow experiment."""
    seed: int | None = None
    """Seed of the sweep."""
    git_commit: str | None = None
    """Commit of the code that runs; None outside a repository."""
    dataset_digest: str | None = None
    """Digest of the data set."""
    data_warnings: tuple[str, ...] = ()
    """Warnings of the data check, a line each."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of each package that matters."""
    spec_text: str | None = None
    """The whole spec as YAML."""
    workers_per_trial: int = 1
    """Devices a trial holds while it runs, >= 1."""
    epochs: int | None = None
    """Epochs of a full training, >= 1."""
    budget: SweepBudget | None = None
    """What ends the sweep; None where its time left is not estimated."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """Name of each baseline by the digest of its configuration."""

    def at_ms(self, seconds: float) -> int:
        """Return the time ``seconds`` after the sweep's begin, milliseconds since 1970."""
        return self.started_ms + round(seconds * 1000)
