"""The runs of a sweep's trials in an MLflow tracking store."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.tracking import names
from orchestrator.tracking.client import database_kind, told_apart
from orchestrator.tracking.errors import TrackingRefusedError, TrackingUnavailableError
from orchestrator.tracking.runs.bulk import BulkDatabase
from orchestrator.tracking.runs.run_log import log_update
from orchestrator.tracking.runs.run_tags import trial_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.runs.updates import RunUpdate

_PAGE = 1000
_logger = logging.getLogger(__name__)


class ChildRuns:
    """Finds the runs below a sweep's own run by their tags, or makes them, and adds to them."""

    def __init__(
        self, client: MlflowClient, info: SweepInfo, *, experiment_id: str, parent_run_id: str
    ) -> None:
        """Know no run yet.

        Args:
            client: Of the tracking store.
            info: The sweep.
            experiment_id: The experiment of all its runs.
            parent_run_id: The sweep's own run.
        """
        self._client = client
        self._info = info
        self._experiment = experiment_id
        self._parent = parent_run_id
        self._bulk = _bulk(client.tracking_uri, experiment_id)
        self.run_ids: dict[str, str] = {}
        """The run of each trial that has one."""
        self.ranks: dict[str, int] = {}
        """The Pareto rank that stood at each trial's run when it was learned."""

    def learn(self) -> None:
        """Look for all runs of the sweep's trials."""
        if self._bulk is not None:
            found = self._bulk.runs_below(self._parent)
        else:
            found = {run.info.run_id: run.data.tags for run in self.search()}
        for run_id, tags in found.items():
            self._learn(run_id, tags)

    def search(self, page: int = _PAGE) -> Iterator[Run]:
        """Yield the runs of the sweep's trials, ``page`` at a time."""
        wanted = names.children_filter(self._info.sweep_id, self._parent)
        token: str | None = None
        while True:
            runs = self._client.search_runs(
                [self._experiment], wanted, max_results=page, page_token=token
            )
            yield from runs
            token = runs.token
            if not token:
                return

    def settle(self) -> None:
        """Let the store make ready to be asked."""
        if self._bulk is not None:
            with suppress(Exception):  # it only answers faster afterwards
                self._bulk.count_rows()

    def write_parent(self, update: RunUpdate) -> None:
        """Write ``update`` to the sweep's own run."""
        if self._bulk is not None:
            try:
                self._bulk.add(self._parent, update)
            except Exception as error:  # noqa: BLE001 - as below
                _not_in_bulk(error)
            else:
                return
        with told_apart("write the sweep's run"):
            log_update(self._client, self._parent, update)

    def write(self, updates: Sequence[RunUpdate]) -> list[str]:
        """Write ``updates``, at most one per trial; return what is refused, in words.

        A run with its figures and status is written before its files. Writing the same updates
        twice leaves the store as after the first time.

        Raises:
            TrackingUnavailableError: some may be written, some may not.
        """
        problems = [] if self._in_bulk(updates) else self._one_by_one(updates)
        for update in updates:
            if update.artifacts and update.trial_id in self.run_ids:
                problems += self._upload_files(update)
        return problems

    def _in_bulk(self, updates: Sequence[RunUpdate]) -> bool:
        """Write ``updates`` in one go; return whether that worked."""
        if self._bulk is None:
            return False
        new = [each.trial_id for each in updates if each.trial_id not in self.run_ids]
        tags = {trial: trial_tags(self._info, trial, self._parent) for trial in new}
        user = next(iter(tags.values()), {}).get(names.USER, "unknown")
        try:
            self.run_ids |= self._bulk.write(
                updates, self.run_ids, tags=tags, began_ms=self._info.started_ms, user=user
            )
        except Exception as error:  # noqa: BLE001 - MLflow and its database raise what they like
            return _not_in_bulk(error)
        return True

    def _one_by_one(self, updates: Sequence[RunUpdate]) -> list[str]:
        problems: list[str] = []
        for update in updates:
            try:
                with told_apart(f"write trial {update.trial_id}"):
                    run_id = self.run_ids.get(update.trial_id) or self._make_child(update)
                    log_update(self._client, run_id, update)
            except TrackingRefusedError as error:
                problems.append(str(error))
        return problems

    def _upload_files(self, update: RunUpdate) -> list[str]:
        run_id = self.run_ids[update.trial_id]
        with told_apart(f"upload the files of trial {update.trial_id}"):
            missing = [each for each in update.artifacts if not self._upload(update, run_id, each)]
        if not missing:
            return []
        return [f"trial {update.trial_id} names files that do not exist: {', '.join(missing)}"]

    def _make_child(self, update: RunUpdate) -> str:
        made = self._client.create_run(
            self._experiment,
            start_time=update.asked_ms or self._info.started_ms,
            tags=trial_tags(self._info, update.trial_id, self._parent),
            run_name=update.name or update.trial_id,
        )
        self.run_ids[update.trial_id] = made.info.run_id
        return str(made.info.run_id)

    def _learn(self, run_id: str, tags: Mapping[str, str]) -> None:
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


def _not_in_bulk(error: Exception) -> Literal[False]:
    """Return that a bulk write failed where the client may do better.

    Raises:
        TrackingUnavailableError: the database is away, for the client too.
    """
    if getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE":
        raise TrackingUnavailableError(f"the tracking database is away: {error}") from error
    _logger.debug("writing one run after the other", exc_info=error)
    return False
