"""Tags that runs are created with and searched by."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from orchestrator.tracking import names

if TYPE_CHECKING:
    from orchestrator.tracking.info import SweepInfo

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
