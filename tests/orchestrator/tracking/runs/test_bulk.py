"""Guards of the private tables of MLflow that bulk writes depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.runs.bulk import BulkDatabase, _models
from orchestrator.tracking.runs.projection import Point, RunUpdate
from orchestrator.tracking.runs.store import MlflowStore

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.tracking.info import SweepInfo

METRIC = {"run_uuid", "key", "value", "timestamp", "step", "is_nan"}
TABLES = {
    "SqlRun": (
        "runs",
        {"run_uuid"},
        {
            *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id"),
            *("status", "start_time", "end_time", "deleted_time", "source_version"),
            *("lifecycle_stage", "artifact_uri", "experiment_id"),
        },
    ),
    "SqlTag": ("tags", {"run_uuid", "key"}, {"run_uuid", "key", "value"}),
    "SqlParam": ("params", {"run_uuid", "key"}, {"run_uuid", "key", "value"}),
    "SqlMetric": ("metrics", METRIC, METRIC),
    "SqlLatestMetric": ("latest_metrics", {"run_uuid", "key"}, METRIC),
}
"""Name, primary key and columns of each table, by model."""


@pytest.mark.parametrize("model", TABLES)
def test_mlflow_has_the_tables_that_bulk_writes_fill(model: str) -> None:
    """A failure means: compare the rows of runs/rows.py with MLflow's own before upgrading."""
    table = getattr(_models(), model).__table__
    name, key, columns = TABLES[model]
    assert table.name == name
    assert {column.name for column in table.primary_key.columns} == key
    assert {column.name for column in table.columns} == columns


@pytest.mark.parametrize("uri", ["http://host:5000", "mysql://host/db"])
def test_other_stores_have_no_bulk_writes(uri: str) -> None:
    with pytest.raises(ValueError, match="does not support bulk writes"):
        BulkDatabase(uri, "0")


@pytest.mark.slow  # creates an MLflow database
def test_a_bulk_write_is_idempotent_without_the_client(info: SweepInfo, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    store = MlflowStore(uri, info, artifact_root=tmp_path / "artifacts")
    store.open()
    database = BulkDatabase(uri, store.experiment_id)
    points = (Point("miou", 0.5, 1, 1000), Point("miou", float("inf"), 2, 2000))
    update = RunUpdate(
        trial_id="t0", params={"arch": "x"}, points=points, status="FINISHED", ended_ms=3000
    )
    tags = {"t0": {"trial.id": "t0", "mlflow.parentRunId": store.parent_run_id}}
    run_ids = database.write([update], {}, tags=tags, began_ms=500, user="me")
    assert database.write([update], run_ids, tags={}, began_ms=500, user="me") == {}
    assert database.runs_below(store.parent_run_id) == {run_ids["t0"]: {"trial.id": "t0"}}
    run = MlflowClient(uri).get_run(run_ids["t0"])
    assert run.data.params == {"arch": "x"}
    assert run.data.metrics["miou"] != run.data.metrics["miou"]  # the last value is NaN
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 500, 3000)
    history = MlflowClient(uri).get_metric_history(run_ids["t0"], "miou")
    assert [(point.step, point.timestamp) for point in history] == [(1, 1000), (2, 2000)]
