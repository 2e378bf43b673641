"""The runs of one sweep in an MLflow tracking store."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, is_remote, told_apart
from orchestrator.tracking.errors import TrackingRefusedError
from orchestrator.tracking.run_tags import sweep_tags, trial_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlflow.entities import Metric, Run

    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.updates import Point, RunUpdate

SPEC_FILE = "spec.yaml"
"""The spec's name among the artifacts of the sweep's run."""
_PAGE = 1000
_METRICS_PER_CALL = 800
_TAGS_PER_CALL = 100
_VALUE_LIMIT = 6000
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
        self._runs: dict[str, str] = {}
        self._ranks: dict[str, int] = {}
        self.experiment_id = ""
        self.parent_run_id = ""

    def open(self) -> str:
        """Find or make the experiment and the sweep's run, learn its children; return its id."""
        with told_apart("open the tracking store"):
            self._client = connect(self.uri)
            self.experiment_id = self._find_experiment()
            parent = self._find_parent()
            self._runs, self._ranks = {}, {}
            if parent is None:
                self.parent_run_id = self._make_parent()
            else:
                self.parent_run_id = parent.info.run_id
                for run in self._children():
                    self._learn(run)
                if parent.info.status != "RUNNING":
                    self._client.update_run(self.parent_run_id, status="RUNNING")
            self._keep_spec()
        return self.parent_run_id

    @property
    def ranks(self) -> Mapping[str, int]:
        """The Pareto rank that stood at each trial's run when the store was opened."""
        return self._ranks

    @property
    def run_ids(self) -> Mapping[str, str]:
        """The run of each trial that has one."""
        return self._runs

    def push(self, update: RunUpdate) -> None:
        """Write ``update``: run, figures and status first, then its files.

        Writing the same update twice leaves the store as after the first time.
        """
        with told_apart(f"write trial {update.trial_id}"):
            run_id = self._runs.get(update.trial_id) or self._make_child(update)
            self._log(run_id, update.points, params=update.params, tags=update.tags)
            if update.status == "RUNNING":
                self._client.update_run(run_id, status="RUNNING")
            elif update.status is not None:
                self._client.set_terminated(run_id, update.status, update.ended_ms)
            missing = [each for each in update.artifacts if not self._upload(update, run_id, each)]
        if missing:
            raise TrackingRefusedError(
                f"trial {update.trial_id} names files that do not exist: {', '.join(missing)}"
            )

    def push_sweep(
        self, points: Sequence[Point] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        """Add to the sweep's own run."""
        with told_apart("write the sweep's run"):
            self._log(self.parent_run_id, points, tags=tags or {})

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
            runs = islice(self._children(_SAMPLE), _SAMPLE)
            return sorted({key for run in runs for key in run.data.metrics})

    def finish(self, status: names.RunStatus, ended_ms: int) -> None:
        """End the sweep's own run."""
        with told_apart("end the sweep's run"):
            self._client.set_terminated(self.parent_run_id, status, ended_ms)

    def _find_experiment(self) -> str:
        name = self._info.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                self._client.create_experiment(
                    name, self._artifact_location(), {names.EXPERIMENT_KIND: names.MODEL_TRAINING}
                )
            except Exception as error:  # another process may have been faster
                if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                    raise
            found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise TrackingRefusedError(
                f"the MLflow experiment {name!r} was deleted; restore it with 'mlflow experiments "
                "restore', or name another one under tracking.experiment"
            )
        return str(found.experiment_id)

    def _artifact_location(self) -> str | None:
        if self._artifact_root is None or is_remote(self.uri):
            return None
        return (Path(self._artifact_root).absolute() / self._info.experiment).as_uri()

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

    def _make_child(self, update: RunUpdate) -> str:
        made = self._client.create_run(
            self.experiment_id,
            start_time=update.asked_ms or self._info.started_ms,
            tags=trial_tags(self._info, update.trial_id, self.parent_run_id),
            run_name=update.name or update.trial_id,
        )
        self._runs[update.trial_id] = made.info.run_id
        return str(made.info.run_id)

    def _children(self, page: int = _PAGE) -> Iterator[Run]:
        wanted = names.children_filter(self._info.sweep_id, self.parent_run_id)
        token: str | None = None
        while True:
            runs = self._client.search_runs(
                [self.experiment_id], wanted, max_results=page, page_token=token
            )
            yield from runs
            token = runs.token
            if not token:
                return

    def _learn(self, run: Run) -> None:
        trial_id = run.data.tags.get(names.TRIAL_ID)
        if trial_id is None:
            return
        self._runs[trial_id] = run.info.run_id
        rank = run.data.tags.get(names.PARETO_RANK, "")
        if rank.isdigit():
            self._ranks[trial_id] = int(rank)

    def _log(
        self,
        run_id: str,
        points: Sequence[Point],
        *,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Param, RunTag  # noqa: PLC0415 - takes two seconds

        metrics = list(_metrics(points))
        settings = [Param(k, str(v)[:_VALUE_LIMIT]) for k, v in (params or {}).items()]
        marks = [RunTag(key, value) for key, value in tags.items()]
        while metrics or settings or marks:
            self._client.log_batch(
                run_id,
                metrics=metrics[:_METRICS_PER_CALL],
                params=settings[:_TAGS_PER_CALL],
                tags=marks[:_TAGS_PER_CALL],
            )
            metrics = metrics[_METRICS_PER_CALL:]
            settings, marks = settings[_TAGS_PER_CALL:], marks[_TAGS_PER_CALL:]

    def _upload(self, update: RunUpdate, run_id: str, artifact: str) -> bool:
        path = self._info.trials_dir / update.trial_id / artifact
        if not path.is_file():
            return False
        folder = Path(artifact).parent.as_posix()
        self._client.log_artifact(run_id, str(path), None if folder == "." else folder)
        return True


def _metrics(points: Iterable[Point]) -> Iterator[Metric]:
    """Yield MLflow's metrics; infinities, which no chart can show, become NaN."""
    from mlflow.entities import Metric  # noqa: PLC0415 - takes two seconds

    for point in points:
        value = point.value if math.isfinite(point.value) else math.nan
        yield Metric(point.key, value, point.at_ms, point.step)
