"""The MLflow runs of one sweep: its own run and its child runs."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, tracking_errors
from orchestrator.tracking.experiments import artifact_location, find_experiment
from orchestrator.tracking.runs.children import ChildRuns
from orchestrator.tracking.runs.run_tags import sweep_tags
from orchestrator.tracking.runs.updates import RunUpdate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlflow.entities import Run

    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.runs.updates import Point

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
