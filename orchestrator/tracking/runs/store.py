"""The MLflow runs of one sweep: its own run and a child run per trial."""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.tracking import names
from orchestrator.tracking.client import (
    PAGE,
    TrackingRefusedError,
    TrackingUnavailableError,
    artifact_location,
    connect,
    database_kind,
    find_experiment,
    search_runs,
    tracking_errors,
)
from orchestrator.tracking.info import sweep_tags, trial_tags
from orchestrator.tracking.runs.bulk import BulkDatabase, log_update
from orchestrator.tracking.runs.projection import RunUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.runs.projection import Point

_logger = logging.getLogger(__name__)


class ChildRuns:
    """Finds or creates the child runs of a sweep and writes updates to them."""

    def __init__(
        self, client: MlflowClient, info: SweepInfo, *, experiment_id: str, parent_run_id: str
    ) -> None:
        """Start without any child run; see ``load``.

        Args:
            client: Client of the tracking store.
            info: Facts about the sweep.
            experiment_id: Experiment of its runs.
            parent_run_id: Run of the sweep.
        """
        self._client = client
        self._info = info
        self._experiment = experiment_id
        self._parent = parent_run_id
        self._bulk = _bulk(client.tracking_uri, experiment_id)
        self.run_ids: dict[str, str] = {}
        """Run ids by trial id."""
        self.ranks: dict[str, int] = {}
        """Pareto ranks in the loaded runs, by trial id."""

    def load(self) -> None:
        """Find all existing child runs."""
        if self._bulk is not None:
            runs = self._bulk.runs_below(self._parent)
        else:
            runs = {run.info.run_id: run.data.tags for run in self.search()}
        for run_id, tags in runs.items():
            self._register(run_id, tags)

    def search(self, page: int = PAGE) -> Iterator[Run]:
        """Yield the child runs, ``page`` per request."""
        query = names.children_filter(self._info.sweep_id, self._parent)
        return search_runs(self._client, [self._experiment], query, page)

    def analyze(self) -> None:
        """Update the database's query statistics after the last write."""
        if self._bulk is not None:
            with suppress(Exception):  # it only makes queries faster
                self._bulk.analyze()

    def write_parent(self, update: RunUpdate) -> None:
        """Write ``update`` to the sweep's run."""
        if self._bulk is not None:
            try:
                self._bulk.add(self._parent, update)
            except Exception as error:  # noqa: BLE001 - see _in_bulk
                _fall_back(error)
            else:
                return
        with tracking_errors("write the sweep's run"):
            log_update(self._client, self._parent, update)

    def write(self, updates: Sequence[RunUpdate]) -> list[str]:
        """Write ``updates``, at most one per trial; return an error for each refused one.

        Metrics and status are written before files. Idempotent.

        Raises:
            TrackingUnavailableError: the store failed; a part may be written.
        """
        problems = [] if self._in_bulk(updates) else self._one_by_one(updates)
        for update in updates:
            if update.artifacts and update.trial_id in self.run_ids:
                problems += self._upload_files(update)
        return problems

    def _in_bulk(self, updates: Sequence[RunUpdate]) -> bool:
        """Write ``updates`` in one transaction; return whether it succeeded."""
        if self._bulk is None:
            return False
        new = [each.trial_id for each in updates if each.trial_id not in self.run_ids]
        tags = {trial: trial_tags(self._info, trial, self._parent) for trial in new}
        user = next(iter(tags.values()), {}).get(names.USER, "unknown")
        try:
            self.run_ids |= self._bulk.write(
                updates, self.run_ids, tags=tags, began_ms=self._info.started_ms, user=user
            )
        except Exception as error:  # noqa: BLE001 - MLflow and the database raise any type
            return _fall_back(error)
        return True

    def _one_by_one(self, updates: Sequence[RunUpdate]) -> list[str]:
        problems: list[str] = []
        for update in updates:
            try:
                with tracking_errors(f"write trial {update.trial_id}"):
                    run_id = self.run_ids.get(update.trial_id) or self._make_child(update)
                    log_update(self._client, run_id, update)
            except TrackingRefusedError as error:
                problems.append(str(error))
        return problems

    def _upload_files(self, update: RunUpdate) -> list[str]:
        run_id = self.run_ids[update.trial_id]
        with tracking_errors(f"upload the files of trial {update.trial_id}"):
            missing = [each for each in update.artifacts if not self._upload(update, run_id, each)]
        if not missing:
            return []
        return [f"trial {update.trial_id} lists files that do not exist: {', '.join(missing)}"]

    def _make_child(self, update: RunUpdate) -> str:
        made = self._client.create_run(
            self._experiment,
            start_time=update.asked_ms or self._info.started_ms,
            tags=trial_tags(self._info, update.trial_id, self._parent),
            run_name=update.name or update.trial_id,
        )
        self.run_ids[update.trial_id] = made.info.run_id
        return str(made.info.run_id)

    def _register(self, run_id: str, tags: Mapping[str, str]) -> None:
        trial_id = tags.get(names.TRIAL_ID)
        if trial_id is None:
            return
        self.run_ids[trial_id] = run_id
        rank = tags.get(names.PARETO_RANK, "")
        if rank.isdigit():
            self.ranks[trial_id] = int(rank)

    def _upload(self, update: RunUpdate, run_id: str, artifact: str) -> bool:
        path = self._info.trials_dir / update.trial_id / artifact
        if not path.is_file():
            return False
        folder = Path(artifact).parent.as_posix()
        self._client.log_artifact(run_id, str(path), None if folder == "." else folder)
        return True


def _bulk(uri: str, experiment_id: str) -> BulkDatabase | None:
    return None if database_kind(uri) is None else BulkDatabase(uri, experiment_id)


def _fall_back(error: Exception) -> Literal[False]:
    """Return False, so that the caller uses the client after a failed bulk write.

    Raises:
        TrackingUnavailableError: the database is unavailable for the client too.
    """
    if getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE":
        raise TrackingUnavailableError(f"the tracking database is unavailable: {error}") from error
    _logger.debug("bulk write failed; writing one run at a time", exc_info=error)
    return False


SPEC_FILE = "spec.yaml"
"""Artifact of the sweep's run that holds the spec."""
_SAMPLE = 100
"""Runs that are searched for metric keys; all trials of a sweep log nearly the same ones."""


class MlflowStore:
    """Finds or creates the runs of a sweep by their tags and writes to them.

    Every method raises ``TrackingUnavailableError`` or ``TrackingRefusedError``. Not thread-safe.
    """

    def __init__(self, uri: str, info: SweepInfo, *, artifact_root: Path | None = None) -> None:
        """Do not connect yet; see ``open``.

        Args:
            uri: Address of the tracking store.
            info: Facts about the sweep.
            artifact_root: Artifact folder of a new experiment; None, or a server, leaves it to
                MLflow.
        """
        self.uri = uri
        self._info = info
        self._artifact_root = artifact_root
        self.experiment_id = ""
        self.parent_run_id = ""

    def open(self) -> str:
        """Find or create the experiment and the sweep's run, load its child runs; return its id."""
        with tracking_errors("open the tracking store"):
            self._client = connect(self.uri)
            name = self._info.experiment
            location = artifact_location(self.uri, self._artifact_root, name)
            self.experiment_id = find_experiment(self._client, name, location)
            parent = self._find_parent()
            self.parent_run_id = parent.info.run_id if parent else self._make_parent()
            self._trials = ChildRuns(
                self._client,
                self._info,
                experiment_id=self.experiment_id,
                parent_run_id=self.parent_run_id,
            )
            if parent is not None:
                self._trials.load()
                if parent.info.status != "RUNNING":
                    self._client.update_run(self.parent_run_id, status="RUNNING")
            self._upload_spec()
        return self.parent_run_id

    @property
    def ranks(self) -> Mapping[str, int]:
        """Pareto rank of each trial's run when the store was opened."""
        return self._trials.ranks

    @property
    def run_ids(self) -> Mapping[str, str]:
        """Run ids by trial id."""
        return self._trials.run_ids

    def push_all(self, updates: Sequence[RunUpdate]) -> list[str]:
        """Write ``updates``, at most one per trial; return an error for each refused one."""
        return self._trials.write(updates)

    def push_sweep(
        self, points: Sequence[Point] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        """Log points and tags to the sweep's run."""
        self._trials.write_parent(RunUpdate(trial_id="", points=tuple(points), tags=tags or {}))

    def upload(self, folder: Path, under: str) -> None:
        """Upload the files of ``folder`` to the artifact folder ``under`` of the sweep's run."""
        with tracking_errors("upload the sweep's files"):
            self._client.log_artifacts(self.parent_run_id, str(folder), under)

    def experiment_tags(self) -> dict[str, str]:
        """Return the tags of the experiment."""
        with tracking_errors("read the experiment"):
            return dict(self._client.get_experiment(self.experiment_id).tags)

    def tag_experiment(self, tags: Mapping[str, str | None]) -> None:
        """Set tags of the experiment; None deletes a tag."""
        with tracking_errors("tag the experiment"):
            for key, value in tags.items():
                if value is None:
                    self._client.delete_experiment_tag(self.experiment_id, key)
                else:
                    self._client.set_experiment_tag(self.experiment_id, key, value)

    def metric_keys(self) -> list[str]:
        """Return the metric keys of the sweep's trials, sorted."""
        with tracking_errors("read the trials' metrics"):
            runs = islice(self._trials.search(_SAMPLE), _SAMPLE)
            return sorted({key for run in runs for key in run.data.metrics})

    def finish(self, status: names.RunStatus, ended_ms: int) -> None:
        """End the sweep's run."""
        with tracking_errors("end the sweep's run"):
            self._client.set_terminated(self.parent_run_id, status, ended_ms)
        self._trials.analyze()

    def _find_parent(self) -> Run | None:
        query = names.tag_filter(sweep__id=self._info.sweep_id, sweep__role="sweep")
        runs = self._client.search_runs([self.experiment_id], query, max_results=1)
        return runs[0] if runs else None

    def _make_parent(self) -> str:
        info = self._info
        made = self._client.create_run(
            self.experiment_id,
            start_time=info.started_ms,
            tags=sweep_tags(info),
            run_name=info.sweep_id,
        )
        return str(made.info.run_id)

    def _upload_spec(self) -> None:
        if not self._info.spec_text:
            return
        existing = {each.path for each in self._client.list_artifacts(self.parent_run_id)}
        if SPEC_FILE not in existing:
            self._client.log_text(self.parent_run_id, self._info.spec_text, SPEC_FILE)
