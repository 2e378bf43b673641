"""Keys and words under which sweeps stand in MLflow."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.report.axes import DOMINATED_COLOUR, FRONT_COLOUR, UNFINISHED_COLOUR

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
"""On the run of a baseline's trial: its name."""
REASON = "reason"
LATENCY_DISTURBANCE = "latency_disturbance"
"""Why the trial's latency is not sound; empty where it is."""
PARETO = "pareto"
PARETO_RANK = "pareto_rank"
"""Tag, with the metric of the same name beside it, because only metrics sort as numbers."""
HOURS_LEFT = "hours_left"
"""Metric of a sweep's own run: estimated time until the first of its budgets ends it, h."""
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
"""Kind of an experiment whose page shows runs rather than traces."""
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_COMMIT = "mlflow.source.git.commit"

EPOCH_PREFIX = "epoch/"
"""Before the name of a figure that is measured every epoch, so that ``miou`` is the deployed
model's and ``epoch/miou`` the learning curve."""

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
    """Return the colour of a trial's dots and lines in the UI."""
    if state != "complete":
        return UNFINISHED_COLOUR
    return FRONT_COLOUR if rank == 0 else DOMINATED_COLOUR


def equals(field: str, value: str) -> str:
    """Return an MLflow filter that asks for a field with that value.

    Raises:
        ValueError: the value holds both kinds of quotes, which the filter language cannot express.
    """
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ValueError(f"{field} = {value!r} holds both kinds of quotes; MLflow cannot search it")
    return f"{field} = {mark}{value}{mark}"


def tag_filter(**tags: str) -> str:
    """Return an MLflow filter that asks for all of ``tags``; ``__`` in a name stands for a dot.

    Raises:
        ValueError: a value cannot be asked for, see ``equals``.
    """
    return " AND ".join(
        equals(f"tags.`{name.replace('__', '.')}`", value) for name, value in tags.items()
    )


def children_filter(sweep_id: str, parent_run_id: str) -> str:
    """Return the filter that shows the trials of one sweep."""
    return tag_filter(sweep__id=sweep_id, mlflow__parentRunId=parent_run_id)
