"""Writes the updates of many runs in one transaction to MLflow's private tables.

MLflow's client needs three calls with seven commits for one run. Why that is too slow, and what was
measured: docs/adr/0012-mlflow-bulk-writes.md. The tables are the SQLAlchemy models of the installed
MLflow. If they differ from the ones expected here, the caller falls back to the client.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

from orchestrator.tracking import names
from orchestrator.tracking.client import database_kind
from orchestrator.tracking.runs.rows import NewRun, Rows
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.tracking.runs.rows import Row
    from orchestrator.tracking.runs.updates import RunUpdate

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
