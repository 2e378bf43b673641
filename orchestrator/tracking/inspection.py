"""Reads all runs of a sweep back from a tracking store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, tracking_errors
from orchestrator.tracking.run_facts import RunFacts, TrackedSweep
from orchestrator.tracking.search import search_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities import Run


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
