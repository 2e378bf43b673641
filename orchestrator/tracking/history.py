"""Reads sweeps back from a tracking store, for plans and for inspection."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ledger.events import SYSTEM_PREFIX, TEST_PREFIX
from orchestrator.ledger.history import EarlierSweep, EarlierTrial
from orchestrator.tracking import names
from orchestrator.tracking.client import connect, search_runs, tracking_errors
from orchestrator.tracking.runs.store import SPEC_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

MOST_TRIALS = 2000
"""Most trials read of one sweep; each needs a query for its learning curve."""
_CURVE = names.EPOCH_PREFIX + "miou"
_PACE = names.EPOCH_PREFIX + "epoch_seconds"
_COMPLETE = "complete"
_STATES = (_COMPLETE, "stopped")


class History:
    """Earlier sweeps of a tracking store, read once and cached.

    Every method raises ``TrackingUnavailableError`` or ``TrackingRefusedError``.
    """

    def __init__(self, uri: str) -> None:
        """Do not connect yet; ``uri`` is the address of the store."""
        self._uri = uri
        self._client_made: MlflowClient | None = None
        self._sweeps: tuple[EarlierSweep, ...] | None = None
        self._trials: dict[str, tuple[EarlierTrial, ...]] = {}

    def sweeps(self) -> tuple[EarlierSweep, ...]:
        """Return the sweeps of all experiments, the oldest first."""
        if self._sweeps is None:
            self._sweeps = self._read_sweeps()
        return self._sweeps

    def trials(self, sweep: EarlierSweep) -> tuple[EarlierTrial, ...]:
        """Return the complete and stopped trials of ``sweep`` with their learning curves.

        They are in order of proposal. Of a sweep with more than ``MOST_TRIALS``, complete trials
        are preferred to stopped ones, and early ones to late ones.
        """
        if sweep.run_id not in self._trials:
            self._trials[sweep.run_id] = self._read_trials(sweep)
        return self._trials[sweep.run_id]

    @property
    def _client(self) -> MlflowClient:
        if self._client_made is None:
            self._client_made = connect(self._uri)
        return self._client_made

    def _read_sweeps(self) -> tuple[EarlierSweep, ...]:
        with tracking_errors("read the sweeps of the tracking store"):
            experiments = [each.experiment_id for each in self._client.search_experiments()]
            runs = sorted(
                search_runs(self._client, experiments, names.tag_filter(sweep__role="sweep")),
                key=lambda run: (run.info.start_time or 0, run.data.tags.get(names.SWEEP_ID, "")),
            )
            return tuple(self._sweep(run) for run in runs if names.SWEEP_ID in run.data.tags)

    def _read_trials(self, sweep: EarlierSweep) -> tuple[EarlierTrial, ...]:
        with tracking_errors(f"read the trials of {sweep.sweep_id}"):
            children = names.children_filter(sweep.sweep_id, sweep.run_id)
            runs: list[Run] = []
            for state in _STATES:
                query = f"{children} AND {names.tag_filter(trial_state=state)}"
                of_state = search_runs(self._client, [sweep.experiment_id], query)
                runs += sorted(of_state, key=_trial_id)
            return tuple(
                self._trial(sweep, run) for run in sorted(runs[:MOST_TRIALS], key=_trial_id)
            )

    def _sweep(self, run: Run) -> EarlierSweep:
        return EarlierSweep(
            sweep_id=run.data.tags[names.SWEEP_ID],
            dataset_digest=run.data.tags.get(names.DATASET_DIGEST),
            spec_text=self._spec_text(run.info.run_id),
            experiment_id=run.info.experiment_id,
            run_id=run.info.run_id,
        )

    def _spec_text(self, run_id: str) -> str | None:
        if SPEC_FILE not in {each.path for each in self._client.list_artifacts(run_id)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = self._client.download_artifacts(run_id, SPEC_FILE, folder)
            return Path(path).read_text(encoding="utf-8")

    def _trial(self, sweep: EarlierSweep, run: Run) -> EarlierTrial:
        history = self._client.get_metric_history(run.info.run_id, _CURVE)
        curve = {each.step: float(each.value) for each in history if math.isfinite(each.value)}
        return EarlierTrial(
            sweep_id=sweep.sweep_id,
            trial_id=_trial_id(run),
            params=dict(run.data.params),
            metrics={
                name: float(value)
                for name, value in run.data.metrics.items()
                if not name.startswith((names.EPOCH_PREFIX, SYSTEM_PREFIX, TEST_PREFIX))
            },
            complete=run.data.tags.get(names.TRIAL_STATE) == _COMPLETE,
            curve=tuple(sorted(curve.items())),
            epoch_seconds=float(run.data.metrics.get(_PACE, math.nan)),
            seconds=_seconds(run),
        )


def _trial_id(run: Run) -> str:
    return str(run.data.tags.get(names.TRIAL_ID, run.info.run_id))


def _seconds(run: Run) -> float:
    start, end = run.info.start_time, run.info.end_time
    return math.nan if start is None or end is None else max(0, end - start) / 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """The MLflow run of a trial."""

    run_id: str
    trial_id: str
    """Trial id in its tags; empty without the tag."""
    status: str
    """``RUNNING``, ``FINISHED``, ``KILLED`` or ``FAILED``."""
    state: str
    """State of the trial in its tags."""
    ended: bool
    """Whether it has an end time."""
    points: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """``(step, value)`` of every point, by metric key."""
    params: Mapping[str, str] = field(default_factory=dict)
    artifacts: frozenset[str] = frozenset()
    """Paths of its artifacts, relative to the artifact root of the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedSweep:
    """All runs of one sweep in a tracking store."""

    sweep_runs: tuple[str, ...] = ()
    """Ids of the sweep's own runs; there must be exactly one."""
    runs: tuple[RunFacts, ...] = ()


def read_tracked(uri: str, sweep_id: str) -> TrackedSweep:
    """Return every run of the sweep in the store at ``uri``, in any experiment.

    Raises:
        TrackingError: the store does not answer.
    """
    with tracking_errors("read the sweep's runs"):
        client = connect(uri)
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = list(search_runs(client, experiments, names.tag_filter(sweep__id=sweep_id)))
        parents = tuple(
            run.info.run_id for run in runs if run.data.tags.get(names.SWEEP_ROLE) == "sweep"
        )
        return TrackedSweep(
            sweep_runs=parents,
            runs=tuple(_facts(client, run) for run in runs if run.info.run_id not in parents),
        )


def _facts(client: MlflowClient, run: Run) -> RunFacts:
    run_id = run.info.run_id
    epoch_keys = [key for key in run.data.metrics if key.startswith(names.EPOCH_PREFIX)]
    return RunFacts(
        run_id=run_id,
        trial_id=run.data.tags.get(names.TRIAL_ID, ""),
        status=run.info.status,
        state=run.data.tags.get(names.TRIAL_STATE, ""),
        ended=run.info.end_time is not None,
        points={
            key: [
                (point.step, float(point.value)) for point in client.get_metric_history(run_id, key)
            ]
            for key in epoch_keys
        },
        params=dict(run.data.params),
        artifacts=frozenset(_artifacts(client, run_id)),
    )


def _artifacts(client: MlflowClient, run_id: str, below: str | None = None) -> Iterator[str]:
    for each in client.list_artifacts(run_id, below):
        if each.is_dir:
            yield from _artifacts(client, run_id, each.path)
        else:
            yield each.path
