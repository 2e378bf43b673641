"""Keys and values of the tags and metrics of sweeps in MLflow."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.report.plot.axes import DOMINATED_COLOUR, FRONT_COLOUR, UNFINISHED_COLOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.ledger.records import RecordState

RunStatus: TypeAlias = Literal["RUNNING", "FINISHED", "KILLED", "FAILED"]

SWEEP_ID = "sweep.id"
SWEEP_ROLE = "sweep.role"
"""``sweep`` on a parent run, ``trial`` on its children."""
TRIAL_ID = "trial.id"
TRIAL_NUMBER = "trial.number"
TRIAL_STATE = "trial_state"
BASELINE = "baseline"
"""Name of the baseline, on the run of its trial."""
REASON = "reason"
LATENCY_DISTURBANCE = "latency_disturbance"
"""Why the latency measurement was disturbed; empty if it was not."""
PARETO = "pareto"
PARETO_RANK = "pareto_rank"
"""A tag and a metric of the same name, because only metrics sort as numbers."""
HOURS_LEFT = "hours_left"
"""Metric of a sweep's run: estimated time until its first budget is spent, h."""
REFERENCE_POINT = "reference_point"
SEED = "seed"
GIT_COMMIT = "git_commit"
DATASET_DIGEST = "dataset.digest"
DATA_WARNINGS = "dataset.warnings"
VERSIONS = "versions"

PARENT_RUN = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
RUN_COLOUR = "mlflow.runColor"
EXPERIMENT_KIND = "mlflow.experimentKind"
MODEL_TRAINING = "custom_model_development"
"""Experiment kind whose page lists runs instead of traces."""
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_COMMIT = "mlflow.source.git.commit"

EPOCH_PREFIX = "epoch/"
"""Prefix of metrics that are logged every epoch: ``epoch/miou`` is the learning curve, ``miou`` the
score of the deployed model."""

STATUS: Mapping[RecordState, RunStatus] = MappingProxyType(
    {
        "pending": "RUNNING",
        "running": "RUNNING",
        "complete": "FINISHED",
        "stopped": "KILLED",
        "preempted": "KILLED",
        "infeasible": "FAILED",
        "failed": "FAILED",
    }
)


def colour(state: RecordState, rank: int | None) -> str:
    """Return the run colour of a trial in the MLflow UI."""
    if state != "complete":
        return UNFINISHED_COLOUR
    return FRONT_COLOUR if rank == 0 else DOMINATED_COLOUR


def equals(field: str, value: str) -> str:
    """Return an MLflow filter for a field with that value.

    Raises:
        ValueError: the value contains both kinds of quotes, which MLflow's filters cannot express.
    """
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ValueError(
            f"{field} = {value!r} contains both kinds of quotes; MLflow cannot search for it"
        )
    return f"{field} = {mark}{value}{mark}"


def tag_filter(**tags: str) -> str:
    """Return an MLflow filter for runs with all of ``tags``; ``__`` in a name becomes a dot.

    Raises:
        ValueError: see ``equals``.
    """
    return " AND ".join(
        equals(f"tags.`{name.replace('__', '.')}`", value) for name, value in tags.items()
    )


def children_filter(sweep_id: str, parent_run_id: str) -> str:
    """Return the filter for the trials of one sweep."""
    return tag_filter(sweep__id=sweep_id, mlflow__parentRunId=parent_run_id)
