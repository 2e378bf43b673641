"""Copies a running sweep to MLflow and publishes its report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ledger.identity import git_commit, versions
from orchestrator.ledger.ledger import Ledger, sweep_start
from orchestrator.report.files import keep_reference, make_report, recorded_warnings
from orchestrator.spec.baselines import names_by_digest
from orchestrator.spec.parse import dump_spec
from orchestrator.tracking.client import TrackingError
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.pages.publish import SweepPlace, publish
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunSummary
    from orchestrator.tracking.names import RunStatus
    from trainables.data.checks.report import DataReport

PLACE = "mlflow"
"""Fact of the ledger: the sweep's pages in MLflow."""


def known_place(folder: SweepFolder) -> SweepPlace | None:
    """Return the sweep's pages in MLflow; None if it has none."""
    with Ledger(folder.ledger) as ledger:
        place = ledger.fact(PLACE)
    return SweepPlace(**place) if isinstance(place, dict) else None


def artifact_root(spec: SweepSpec) -> Path:
    """Return the artifact folder of a tracking store that is a database."""
    return Path(spec.storage.root) / "mlartifacts"


class Tracker:
    """Copies a sweep to MLflow; errors of the store are collected and do not stop the sweep."""

    def __init__(
        self, spec: SweepSpec, folder: SweepFolder, ledger: Ledger, data: DataReport
    ) -> None:
        self._spec = spec
        self._ledger = ledger
        self._folder = folder
        self._info = _info(spec, folder, ledger, data)
        self._store = MlflowStore(spec.tracking_uri, self._info, artifact_root=artifact_root(spec))
        self.writer = MlflowWriter(
            info=self._info,
            events=ledger,
            store=self._store,
            cursor_path=folder.path / "mlflow-cursor.json",
        )
        self.writer.start()
        self._problems: list[str] = []

    @property
    def problems(self) -> tuple[str, ...]:
        """Errors of the tracking store, each once."""
        return (*self.writer.problems, *self._problems)

    def close(self, summary: RunSummary | None) -> SweepPlace | None:
        """Write the remaining events and the report; ``summary`` is None if the run raised."""
        status: RunStatus = (
            "FAILED" if summary is None else "KILLED" if summary.interrupted else "FINISHED"
        )
        drained = self.writer.close(status=status)
        report = make_report(self._spec, self._folder)
        settled = keep_reference(report, self._ledger, finished=status == "FINISHED")
        if not drained:
            self._problems.append("MLflow is incomplete; resume writes the remaining events")
            return None
        try:
            place = publish(report, self._info, self._store, settled=settled)
        except TrackingError as error:
            self._problems.append(f"the report is not in MLflow: {error}")
            return None
        self._ledger.set_fact(PLACE, asdict(place))
        return place


def _info(spec: SweepSpec, folder: SweepFolder, ledger: Ledger, data: DataReport) -> SweepInfo:
    return SweepInfo(
        sweep_id=folder.sweep_id,
        objectives=spec.objectives,
        started_ms=round(1000 * sweep_start(ledger)),
        trials_dir=folder.trials,
        experiment=spec.tracking.experiment,
        seed=spec.search.seed,
        git_commit=git_commit(),
        dataset_digest=data.digest,
        data_warnings=recorded_warnings(ledger),
        versions=versions(),
        spec_text=dump_spec(spec),
        workers_per_trial=spec.resources.train_workers,
        epochs=spec.budget.epochs,
        budget=spec.budget,
        baselines=names_by_digest(spec.baselines),
    )
