"""Updates of many runs as rows of MLflow's private tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.tracking.runs.run_log import PARAM_LIMIT, TAG_LIMIT, plain

if TYPE_CHECKING:
    from orchestrator.tracking.names import RunStatus
    from orchestrator.tracking.runs.updates import Point, RunUpdate

Row: TypeAlias = dict[str, object]
Latest: TypeAlias = tuple[int, int, float]

_NAME_LIMIT = 250


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRun:
    """A run to create."""

    run_id: str
    name: str
    started_ms: int
    artifact_uri: str
    """Artifact location."""
    tags: dict[str, str]


@dataclass(slots=True)
class Rows:
    """Rows of each table; no two rows of a table have the same primary key."""

    runs: list[Row] = field(default_factory=list)
    tags: dict[tuple[str, str], Row] = field(default_factory=dict)
    params: dict[tuple[str, str], Row] = field(default_factory=dict)
    metrics: dict[tuple[object, ...], Row] = field(default_factory=dict)
    latest: dict[tuple[str, str], Row] = field(default_factory=dict)
    endings: list[Row] = field(default_factory=list)
    """New statuses of existing runs: ``run``, ``to``, ``at``."""

    def make(self, run: NewRun, experiment_id: int, user: str) -> None:
        """Add a run."""
        self.runs.append(
            {
                "run_uuid": run.run_id,
                "name": run.name[:_NAME_LIMIT],
                "artifact_uri": run.artifact_uri,
                "experiment_id": experiment_id,
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": user,
                "status": "RUNNING",
                "start_time": run.started_ms,
                "end_time": None,
                "deleted_time": None,
                "source_version": "",
                "lifecycle_stage": "active",
            }
        )
        for key, value in {**run.tags, "mlflow.runName": run.name[:_NAME_LIMIT]}.items():
            self._tag(run.run_id, key, value)

    def add(self, run_id: str, update: RunUpdate) -> None:
        """Add everything of ``update`` except its files."""
        for key, value in update.params.items():
            row: Row = {"run_uuid": run_id, "key": key, "value": plain(value, PARAM_LIMIT)}
            self.params.setdefault((run_id, key), row)
        for key, text in update.tags.items():
            self._tag(run_id, key, text)
        for point in update.points:
            self._point(run_id, point)
        if update.status is not None:
            self._end(run_id, update.status, update.ended_ms)

    def _tag(self, run_id: str, key: str, value: str) -> None:
        self.tags[run_id, key] = {"run_uuid": run_id, "key": key, "value": plain(value, TAG_LIMIT)}

    def _point(self, run_id: str, point: Point) -> None:
        """Add a point; a value that is not finite becomes NaN, which MLflow stores as 0."""
        finite = math.isfinite(point.value)
        value = float(point.value) if finite else 0.0
        row: Row = {
            "run_uuid": run_id,
            "key": point.key,
            "value": value,
            "timestamp": point.at_ms,
            "step": point.step,
            "is_nan": not finite,
        }
        self.metrics[tuple(row.values())] = row
        last = self.latest.get((run_id, point.key))
        if last is None or _age(last) < _age(row):
            self.latest[run_id, point.key] = row

    def _end(self, run_id: str, status: RunStatus, ended_ms: int | None) -> None:
        self.endings.append({"run": run_id, "to": status, "at": ended_ms})


def _age(row: Row) -> tuple[object, ...]:
    return row["step"], row["timestamp"], row["value"]
