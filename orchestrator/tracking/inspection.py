"""Reads all runs of a sweep back from a tracking store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, tracking_errors
from orchestrator.tracking.search import search_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """The MLflow run of a trial."""

    run_id: str
    trial_id: str
    """Trial id in its tags; empty without the tag."""
    status: str
    """``RUNNING``, ``FINISHED``, ``KILLED`` or ``FAILED``."""
    state: str
    """State of the trial in its tags."""
    ended: bool
    """Whether it has an end time."""
    points: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """``(step, value)`` of every point, by metric key."""
    params: Mapping[str, str] = field(default_factory=dict)
    artifacts: frozenset[str] = frozenset()
    """Paths of its artifacts, relative to the artifact root of the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedSweep:
    """All runs of one sweep in a tracking store."""

    sweep_runs: tuple[str, ...] = ()
    """Ids of the sweep's own runs; there must be exactly one."""
    runs: tuple[RunFacts, ...] = ()


def read_tracked(uri: str, sweep_id: str) -> TrackedSweep:
    """Return every run of the sweep in the store at ``uri``, in any experiment.

    Raises:
        TrackingError: the store does not answer.
    """
    with tracking_errors("read the sweep's runs"):
        client = connect(uri)
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = list(search_runs(client, experiments, names.tag_filter(sweep__id=sweep_id)))
        parents = tuple(
            run.info.run_id for run in runs if run.data.tags.get(names.SWEEP_ROLE) == "sweep"
        )
        return TrackedSweep(
            sweep_runs=parents,
            runs=tuple(_facts(client, run) for run in runs if run.info.run_id not in parents),
        )


def _facts(client: MlflowClient, run: Run) -> RunFacts:
    run_id = run.info.run_id
    epoch_keys = [key for key in run.data.metrics if key.startswith(names.EPOCH_PREFIX)]
    return RunFacts(
        run_id=run_id,
        trial_id=run.data.tags.get(names.TRIAL_ID, ""),
        status=run.info.status,
        state=run.data.tags.get(names.TRIAL_STATE, ""),
        ended=run.info.end_time is not None,
        points={
            key: [
                (point.step, float(point.value)) for point in client.get_metric_history(run_id, key)
            ]
            for key in epoch_keys
        },
        params=dict(run.data.params),
        artifacts=frozenset(_artifacts(client, run_id)),
    )


def _artifacts(client: MlflowClient, run_id: str, below: str | None = None) -> Iterator[str]:
    for each in client.list_artifacts(run_id, below):
        if each.is_dir:
            yield from _artifacts(client, run_id, each.path)
        else:
            yield each.path
