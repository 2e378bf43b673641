"""Facts about a sweep for its MLflow run, and the tags that runs are created with."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.tracking import names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepBudget


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


MAX_TAG = 4000
"""Longest warning tag, characters; other stores than MLflow's database allow 5,000."""


def sweep_tags(info: SweepInfo) -> dict[str, str]:
    """Return the tags of a sweep's run."""
    tags = {names.SWEEP_ID: info.sweep_id, names.SWEEP_ROLE: "sweep", **_shared(info)}
    if info.data_warnings:
        tags[names.DATA_WARNINGS] = "\n".join(info.data_warnings)[:MAX_TAG]
    return tags


def trial_tags(info: SweepInfo, trial_id: str, parent_run_id: str) -> dict[str, str]:
    """Return the tags of a trial's run, a child of the sweep's run."""
    return {
        names.SWEEP_ID: info.sweep_id,
        names.SWEEP_ROLE: "trial",
        names.TRIAL_ID: trial_id,
        names.PARENT_RUN: parent_run_id,
        **_shared(info),
    }


def _shared(info: SweepInfo) -> dict[str, str]:
    facts = {
        names.SEED: None if info.seed is None else str(info.seed),
        names.GIT_COMMIT: info.git_commit,
        names.SOURCE_COMMIT: info.git_commit,
        names.DATASET_DIGEST: info.dataset_digest,
        names.VERSIONS: ", ".join(f"{k} {v}" for k, v in info.versions.items()) or None,
        names.SOURCE_NAME: "segsweep",
        names.USER: _user(),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _user() -> str | None:
    """Return the user name; None if the system has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None
