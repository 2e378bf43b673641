"""Writes updates to runs: with MLflow's client, or of many runs at once to its private tables."""

from __future__ import annotations

import math
import os
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestrator.tracking import names
from orchestrator.tracking.client import database_kind
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from orchestrator.tracking.names import RunStatus
    from orchestrator.tracking.runs.projection import Point, RunUpdate

PARAM_LIMIT, TAG_LIMIT = 6000, 8000
"""Longest value of a param and of a tag, characters; MLflow's limits."""
_METRICS_PER_CALL = 800
_TAGS_PER_CALL = 100


def log(
    client: MlflowClient,
    run_id: str,
    points: Sequence[Point],
    *,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str],
) -> None:
    """Log to a run in as few requests as MLflow's limits allow."""
    from mlflow.entities import Param, RunTag  # noqa: PLC0415 - takes two seconds

    metrics = list(_metrics(points))
    param_entities = [
        Param(key, plain(value, PARAM_LIMIT)) for key, value in (params or {}).items()
    ]
    tag_entities = [RunTag(key, plain(value, TAG_LIMIT)) for key, value in tags.items()]
    while metrics or param_entities or tag_entities:
        client.log_batch(
            run_id,
            metrics=metrics[:_METRICS_PER_CALL],
            params=param_entities[:_TAGS_PER_CALL],
            tags=tag_entities[:_TAGS_PER_CALL],
        )
        metrics = metrics[_METRICS_PER_CALL:]
        param_entities = param_entities[_TAGS_PER_CALL:]
        tag_entities = tag_entities[_TAGS_PER_CALL:]


def log_update(client: MlflowClient, run_id: str, update: RunUpdate) -> None:
    """Write everything of ``update`` except its files."""
    log(client, run_id, update.points, params=update.params, tags=update.tags)
    if update.status == "RUNNING":
        client.update_run(run_id, status="RUNNING")
    elif update.status is not None:
        client.set_terminated(run_id, update.status, update.ended_ms)


def plain(value: object, limit: int) -> str:
    """Return a value as text that every store accepts: no NUL, at most ``limit`` characters."""
    return str(value).replace("\0", "")[:limit]


def _metrics(points: Iterable[Point]) -> Iterator[Metric]:
    """Yield MLflow's metrics; infinities become NaN, because charts cannot show them."""
    from mlflow.entities import Metric  # noqa: PLC0415 - takes two seconds

    for point in points:
        value = point.value if math.isfinite(point.value) else math.nan
        yield Metric(point.key, value, point.at_ms, point.step)


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


_ROWS_PER_STATEMENT = 500
_FEW = 200
"""Runs from which SQLite needs statistics to search quickly."""


class BulkDatabase:
    """One experiment of a tracking database."""

    def __init__(self, uri: str, experiment_id: str) -> None:
        """Connect to a database that MLflow has initialized.

        Raises:
            ValueError: the kind of database is not supported.
        """
        kind = database_kind(uri)
        if kind is None or os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() in {"true", "1"}:
            raise ValueError(f"{redact(uri)} does not support bulk writes")
        from mlflow.store.tracking import sqlalchemy_store  # noqa: PLC0415 - takes two seconds

        self._kind = kind
        make: Any = sqlalchemy_store.SqlAlchemyStore
        self._store = make(uri, "unused")
        self._experiment = int(experiment_id)
        self._made = self._analyzed = 0
        self._artifacts = str(self._store.get_experiment(experiment_id).artifact_location)

    def write(
        self,
        updates: Sequence[RunUpdate],
        known: Mapping[str, str],
        *,
        tags: Mapping[str, Mapping[str, str]],
        began_ms: int,
        user: str,
    ) -> dict[str, str]:
        """Write everything of ``updates`` except files; return the ids of new runs by trial.

        One transaction, idempotent.

        Args:
            updates: At most one per trial.
            known: Ids of existing runs by trial.
            tags: Tags of new runs by trial.
            began_ms: Start time of new runs whose update has none, ms since 1970.
            user: Owner of new runs.
        """
        rows = Rows()
        made: dict[str, str] = {}
        for update in updates:
            run_id = known.get(update.trial_id)
            if run_id is None:
                run_id = made[update.trial_id] = uuid.uuid4().hex
                run = NewRun(
                    run_id=run_id,
                    name=update.name or update.trial_id,
                    started_ms=update.asked_ms or began_ms,
                    artifact_uri=self._artifact_uri(run_id),
                    tags=dict(tags[update.trial_id]),
                )
                rows.make(run, self._experiment, user)
            rows.add(run_id, update)
        self._commit(rows)
        self._made += len(made)
        if self._made > 2 * self._analyzed + _FEW:
            self.analyze()
        return made

    def add(self, run_id: str, update: RunUpdate) -> None:
        """Write everything of ``update`` except files to one existing run."""
        rows = Rows()
        rows.add(run_id, update)
        self._commit(rows)

    def runs_below(self, parent_run_id: str) -> dict[str, dict[str, str]]:
        """Return the tags for trial id and Pareto rank of every active child run, by run id."""
        import sqlalchemy as sql  # noqa: PLC0415 - comes with MLflow

        models = _models()
        below, wanted = sql.orm.aliased(models.SqlTag), models.SqlTag
        query = (
            sql.select(wanted.run_uuid, wanted.key, wanted.value)
            .join(below, below.run_uuid == wanted.run_uuid)
            .join(models.SqlRun, models.SqlRun.run_uuid == wanted.run_uuid)
            .where(below.key == names.PARENT_RUN, below.value == parent_run_id)
            .where(models.SqlRun.lifecycle_stage == "active")
            .where(wanted.key.in_((names.TRIAL_ID, names.PARETO_RANK)))
        )
        found: dict[str, dict[str, str]] = {}
        with self._store.ManagedSessionMaker() as session:
            for run_id, key, value in session.execute(query):
                found.setdefault(run_id, {})[key] = value
        return found

    def analyze(self) -> None:
        """Update the statistics of the query planner.

        Without them SQLite joins by the wrong index: with 10,000 runs, the first page of a sweep's
        view took 11 s before and 0.5 s after.
        """
        import sqlalchemy as sql  # noqa: PLC0415 - comes with MLflow

        with self._store.ManagedSessionMaker(read_only=False) as session:
            for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
                session.execute(sql.text(f"ANALYZE {table}"))
        self._analyzed = self._made

    def _artifact_uri(self, run_id: str) -> str:
        from mlflow.utils import uri  # noqa: PLC0415 - takes two seconds

        append: Any = uri.append_to_uri_path
        return str(append(self._artifacts, run_id, "artifacts"))

    def _commit(self, rows: Rows) -> None:
        import sqlalchemy as sql  # noqa: PLC0415 - comes with MLflow

        models = _models()
        runs = models.SqlRun.__table__
        with self._store.ManagedSessionMaker(read_only=False) as session:
            if rows.runs:
                session.execute(sql.insert(runs), rows.runs)
            for statement in self._upserts(models, rows):
                session.execute(*statement)
            if rows.endings:
                update = sql.update(runs).where(runs.c.run_uuid == sql.bindparam("run"))
                kept_end = sql.func.coalesce(
                    sql.bindparam("at", type_=sql.BigInteger), runs.c.end_time
                )
                ended = update.values(status=sql.bindparam("to"), end_time=kept_end)
                session.connection().execute(ended, rows.endings)

    def _upserts(self, models: Any, rows: Rows) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
        """Yield statements with their rows: tags are replaced, other rows inserted if missing."""
        for model, found in (
            (models.SqlTag, rows.tags),
            (models.SqlParam, rows.params),
            (models.SqlMetric, rows.metrics),
            (models.SqlLatestMetric, rows.latest),
        ):
            yield from self._upsert(model.__table__, list(found.values()))

    def _upsert(self, table: Any, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
        import sqlalchemy as sql  # noqa: PLC0415 - comes with MLflow
        from sqlalchemy.dialects import postgresql, sqlite  # noqa: PLC0415

        if not rows:
            return
        dialects: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
        insert = dialects[self._kind].insert(table)
        new = insert.excluded
        keys = list(table.primary_key.columns)
        if table.name == "tags":
            insert = insert.on_conflict_do_update(index_elements=keys, set_={"value": new.value})
        elif table.name == "latest_metrics":
            age = ("step", "timestamp", "value")
            later = sql.tuple_(*(new[name] for name in age)) > sql.tuple_(
                *(table.c[name] for name in age)
            )
            values = {name: new[name] for name in (*age, "is_nan")}
            insert = insert.on_conflict_do_update(index_elements=keys, set_=values, where=later)
        else:
            insert = insert.on_conflict_do_nothing(index_elements=keys)
        if self._kind == "sqlite":  # without a network, one row per statement is fast
            yield insert, rows
            return
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            yield (insert.values(rows[start : start + _ROWS_PER_STATEMENT]),)


def _models() -> Any:  # noqa: ANN401
    """Return the module of MLflow's SQLAlchemy models."""
    from mlflow.store.tracking.dbmodels import models  # noqa: PLC0415 - takes two seconds

    return models
