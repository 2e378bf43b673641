"""Updates of many runs in one transaction of the database that MLflow keeps them in.

MLflow's client takes three calls with seven commits for one run, which ten thousand short trials
cannot wait for. The tables are the models of the MLflow that is installed; where they are not as
expected here, the caller goes through the client.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

from orchestrator.tracking import names
from orchestrator.tracking.client import database_kind
from orchestrator.tracking.runs.rows import NewRun, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.tracking.runs.rows import Row
    from orchestrator.tracking.runs.updates import RunUpdate

_ROWS_PER_STATEMENT = 500
_FEW = 200
"""Runs that are found fast enough without statistics."""


class BulkDatabase:
    """One experiment of a tracking database."""

    def __init__(self, uri: str, experiment_id: str) -> None:
        """Connect to a database that MLflow has set up.

        Raises:
            ValueError: it is of a kind that this cannot write.
        """
        kind = database_kind(uri)
        if kind is None or os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() in {"true", "1"}:
            raise ValueError(f"{uri} takes one run at a time")
        from mlflow.store.tracking import sqlalchemy_store  # noqa: PLC0415 - takes two seconds

        self._kind = kind
        make: Any = sqlalchemy_store.SqlAlchemyStore
        self._store = make(uri, "unused")
        self._experiment = int(experiment_id)
        self._made = self._counted = 0
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
        """Write everything of ``updates`` but their files; return the runs that were made.

        All of it stands in the database afterwards, or none where this raises; the same twice is as
        good as once.

        Args:
            updates: At most one per trial.
            known: Run of each trial that has one.
            tags: What a run is made with, by trial.
            began_ms: Begin of a run whose update does not tell it.
            user: Whose runs they are.
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
        if self._made > 2 * self._counted + _FEW:
            self.count_rows()
        return made

    def add(self, run_id: str, update: RunUpdate) -> None:
        """Write everything of ``update`` but its files to one run that is there."""
        rows = Rows()
        rows.add(run_id, update)
        self._commit(rows)

    def runs_below(self, parent_run_id: str) -> dict[str, dict[str, str]]:
        """Return trial id and Pareto rank, as tags, of every active run below another by its id."""
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

    def count_rows(self) -> None:
        """Let the database count its rows, without which it sorts ten thousand runs by their tags.

        Source: measured on SQLite, the first page of a sweep's view: 11 s before, 0.5 s after.
        """
        import sqlalchemy as sql  # noqa: PLC0415 - comes with MLflow

        with self._store.ManagedSessionMaker(read_only=False) as session:
            for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
                session.execute(sql.text(f"ANALYZE {table}"))
        self._counted = self._made

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
                there = sql.update(runs).where(runs.c.run_uuid == sql.bindparam("run"))
                kept_end = sql.func.coalesce(
                    sql.bindparam("at", type_=sql.BigInteger), runs.c.end_time
                )
                ended = there.values(status=sql.bindparam("to"), end_time=kept_end)
                session.connection().execute(ended, rows.endings)

    def _upserts(self, models: Any, rows: Rows) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
        """Yield statements with their rows: tags anew, the rest only where it is not there."""
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
        if self._kind == "sqlite":  # no network between the rows of one statement
            yield insert, rows
            return
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            yield (insert.values(rows[start : start + _ROWS_PER_STATEMENT]),)


def _models() -> Any:  # noqa: ANN401
    """Return the module of MLflow's tables."""
    from mlflow.store.tracking.dbmodels import models  # noqa: PLC0415 - takes two seconds

    return models
