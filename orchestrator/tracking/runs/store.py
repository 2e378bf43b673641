"""The runs of one sweep in an MLflow tracking store."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, told_apart
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
"""The spec's name among the artifacts of the sweep's run."""
_SAMPLE = 100


class MlflowStore:
    """Finds a sweep's runs by their tags, or makes them, and adds to them.

    Every method raises ``TrackingUnavailableError`` where trying again may help and
    ``TrackingRefusedError`` where it will not. Not safe for threads.
    """

    def __init__(self, uri: str, info: SweepInfo, *, artifact_root: Path | None = None) -> None:
        """Connect to nothing yet.

        Args:
            uri: Address of the tracking store.
            info: The sweep.
            artifact_root: Folder of the artifacts of an experiment that is made here; None leaves
                the choice to MLflow, as it always is with a server.
        """
        self.uri = uri
        self._info = info
        self._artifact_root = artifact_root
        self.experiment_id = ""
        self.parent_run_id = ""

    def open(self) -> str:
        """Find or make the experiment and the sweep's run, learn its children; return its id."""
        with told_apart("open the tracking store"):
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
                self._trials.learn()
                if parent.info.status != "RUNNING":
                    self._client.update_run(self.parent_run_id, status="RUNNING")
            self._keep_spec()
        return self.parent_run_id

    @property
    def ranks(self) -> Mapping[str, int]:
        """The Pareto rank that stood at each trial's run when the store was opened."""
        return self._trials.ranks

    @property
    def run_ids(self) -> Mapping[str, str]:
        """The run of each trial that has one."""
        return self._trials.run_ids

    def push_all(self, updates: Sequence[RunUpdate]) -> list[str]:
        """Write ``updates``, at most one per trial; return what is refused, in words."""
        return self._trials.write(updates)

    def push_sweep(
        self, points: Sequence[Point] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        """Add to the sweep's own run."""
        self._trials.write_parent(RunUpdate(trial_id="", points=tuple(points), tags=tags or {}))

    def upload(self, folder: Path, under: str) -> None:
        """Copy the files of ``folder`` to the sweep's run, below the name ``under``."""
        with told_apart("upload the sweep's files"):
            self._client.log_artifacts(self.parent_run_id, str(folder), under)

    def experiment_tags(self) -> dict[str, str]:
        """Return the tags of the experiment."""
        with told_apart("read the experiment"):
            return dict(self._client.get_experiment(self.experiment_id).tags)

    def tag_experiment(self, tags: Mapping[str, str | None]) -> None:
        """Set tags of the experiment; None takes a tag away."""
        with told_apart("tag the experiment"):
            for key, value in tags.items():
                if value is None:
                    self._client.delete_experiment_tag(self.experiment_id, key)
                else:
                    self._client.set_experiment_tag(self.experiment_id, key, value)

    def metric_keys(self) -> list[str]:
        """Return the metrics that some of the sweep's trials have, sorted."""
        with told_apart("read the trials' metrics"):
            runs = islice(self._trials.search(_SAMPLE), _SAMPLE)
            return sorted({key for run in runs for key in run.data.metrics})

    def finish(self, status: names.RunStatus, ended_ms: int) -> None:
        """End the sweep's own run."""
        with told_apart("end the sweep's run"):
            self._client.set_terminated(self.parent_run_id, status, ended_ms)
        self._trials.settle()

    def _find_parent(self) -> Run | None:
        wanted = names.tag_filter(sweep__id=self._info.sweep_id, sweep__role="sweep")
        runs = self._client.search_runs([self.experiment_id], wanted, max_results=1)
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

    def _keep_spec(self) -> None:
        if not self._info.spec_text:
            return
        kept = {each.path for each in self._client.list_artifacts(self.parent_run_id)}
        if SPEC_FILE not in kept:
            self._client.log_text(self.parent_run_id, self._info.spec_text, SPEC_FILE)
