"""A sweep from the check of its data to its report."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.baselines.baseline import names_by_digest
from orchestrator.continuity import FINISHED, settle_identity
from orchestrator.engine import RunHooks, decoded_resolutions, run_sweep, scored_alike
from orchestrator.exporting.export import Exported
from orchestrator.exporting.finish import leave_artifacts, log_exported
from orchestrator.folders import new_sweep
from orchestrator.ledger import Ledger
from orchestrator.mirroring.mirror import mirrored
from orchestrator.networks import networks_of
from orchestrator.planning.plan import adopt_plan
from orchestrator.provenance import git_commit, versions
from orchestrator.results import keep_reference, make_report, save_report
from orchestrator.retention import Retention
from orchestrator.spec.dump import dump_spec, settle_spec
from orchestrator.tracking.errors import TrackingError
from orchestrator.tracking.history import History
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.publish import SweepPlace, publish
from orchestrator.tracking.store import MlflowStore
from orchestrator.tracking.writer import MlflowWriter
from orchestrator.warm_start import settle_warm_start
from search_spaces.resolution import Resolution
from trainables.data.check import check_data
from trainables.data.dataset import build_datasets
from trainables.data.faults import DataError
from trainables.data.fetched import pinned
from trainables.models.readiness import check_networks
from trainables.models.weights import given_weights
from trainables.training.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.engine import RunSummary
    from orchestrator.folders import SweepFolder
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.tracking.names import RunStatus
    from trainables.data.report import DataReport

PLACE = "mlflow"
"""Fact of a ledger that says where the sweep is in MLflow."""

BEGUN = "begun"
"""Fact of a ledger that says when the sweep began, seconds since 1970; the engine's clock too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """What came of running a sweep."""

    folder: SweepFolder
    """Where its files are."""
    report: SweepReport
    """What it found."""
    files: tuple[Path, ...]
    """The report's files."""
    interrupted: bool
    """Whether there is more to do, which ``resume`` goes on with."""
    place: SweepPlace | None
    """Where it is in MLflow; None where the tracking store did not answer."""
    trouble: str | None = None
    """What ended it early though nobody asked for it; None where nothing did."""
    problems: tuple[str, ...] = ()
    """What went wrong beside the trials: lanes that died, a tracking store that was away."""


def launch(
    spec: SweepSpec, *, hooks: RunHooks | None = None, folder: SweepFolder | None = None
) -> Launched:
    """Run a sweep and return what came of it; the ledger, MLflow, the report's files are written.

    Args:
        spec: What to run.
        hooks: How the caller follows and steers the run; None does neither.
        folder: Where the sweep is to be, or an earlier run of the same spec that is gone on with;
            None begins a new one.

    Raises:
        SpecError: the spec cannot be run; every fault is in it.
        UnbuildableError: networks cannot be built, or their weights not be had; all are in it.
        DataError: the data set cannot be used; every fault is in it.
        CacheError: the cache folder cannot take the decoded images.
        SweepBusyError: another process drives the sweep.
        SpecChangedError: spec or data set are not those that ``folder`` began with.
        WarmStartError: an earlier sweep that the spec names is not there, or does not compare.
        TrackingError: earlier sweeps are asked for and the tracking store does not answer.
        StoreError: the object store that it is to be copied to does not take it.
        ClusterError, ResourceError, TeacherFailedError, LedgerError: see ``run_sweep``.
    """
    hooks = hooks or RunHooks()
    spec = settle_spec(spec)
    sound_networks(spec, hooks.stage)
    hooks.stage("checking the data")
    there = replace(spec, data=pinned(spec.data))
    data = sound_data(there)
    decode_images(there, hooks.stage)
    if folder is None:
        folder = new_sweep(Path(spec.storage.root), spec.name)
    if not folder.spec.exists():
        folder.path.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.spec, dump_spec(spec).encode())
        adopt_plan(spec, folder.root, folder.path)
    with folder.lock(), Ledger(folder.ledger) as ledger:
        settle_identity(ledger, spec, data.digest)
        with mirrored(spec, folder, ledger) as problems:
            launched = _run(spec, there, folder, ledger, data, hooks)
        return replace(launched, problems=(*launched.problems, *problems))


def _run(  # noqa: PLR0917 - what a sweep consists of
    spec: SweepSpec,
    there: SweepSpec,
    folder: SweepFolder,
    ledger: Ledger,
    data: DataReport,
    hooks: RunHooks,
) -> Launched:
    """Run a settled sweep; ``there`` is its spec with the data bound to what was checked."""
    ledger.set_fact(FINISHED, False)
    _warm_start(spec, folder, ledger, data, hooks)
    tracker = _Tracker(spec, folder, ledger, data)
    retention = _retention(spec, folder, tracker)
    summary, exported = None, Exported()
    try:
        summary = run_sweep(
            there,
            folder,
            num_classes=len(data.class_names),
            hooks=replace(hooks, listeners=(*hooks.listeners, tracker.writer, *retention)),
        )
        if not summary.interrupted:
            exported = leave_artifacts(there, folder, ledger, len(data.class_names), hooks)
            summary = replace(summary, interrupted=exported.interrupted)
    finally:
        hooks.stage("writing the report")
        place = tracker.close(summary)
    ledger.set_fact(FINISHED, not summary.interrupted)
    report = make_report(spec, folder)
    return Launched(
        folder=folder,
        report=report,
        files=save_report(report, folder.report),
        interrupted=summary.interrupted,
        place=place,
        trouble=summary.trouble,
        problems=(
            *summary.lane_faults,
            *exported.problems,
            *log_exported(spec, folder, exported),
            *tracker.problems,
            *filter(None, (each.tidy() for each in retention)),
        ),
    )


def _warm_start(
    spec: SweepSpec, folder: SweepFolder, ledger: Ledger, data: DataReport, hooks: RunHooks
) -> None:
    """Keep in the ledger what the searcher is to know of earlier sweeps, where the spec asks."""
    if not spec.search.warm_start:
        return
    hooks.stage("reading earlier sweeps")
    known = settle_warm_start(
        spec,
        ledger,
        History(spec.tracking_uri),
        sweep_id=folder.sweep_id,
        dataset_digest=data.digest,
    )
    hooks.stage(f"warm start: {known.trials} trials of {len(known.sweeps)} earlier sweep(s)")


def _retention(spec: SweepSpec, folder: SweepFolder, tracker: _Tracker) -> tuple[Retention, ...]:
    """Return what keeps the sweep within its disk budget; nothing where it has none."""
    budget = spec.storage.disk_budget_gb
    if budget is None:
        return ()
    return (
        Retention(
            folder.trials,
            spec.objectives,
            budget_gb=budget,
            copied=lambda: tracker.writer.cursor,
        ),
    )


def sound_networks(spec: SweepSpec, stage: Callable[[str], None]) -> None:
    """Build what may fail to be built, and fetch pretrained weights, before anything is started.

    Raises:
        UnbuildableError: networks cannot be built, or their weights not be had; all are in it.
    """
    if given_weights(spec.training.weights) is not None:
        stage(f"checking the weights: {spec.training.weights}")
    check_networks(networks_of(spec), spec.training.weights)


def sound_data(spec: SweepSpec) -> DataReport:
    """Return the report on the data set of ``spec``, every file of which was opened.

    Raises:
        DataError: the data set cannot be used; every fault is in it.
    """
    report = check_data(spec.data, cache_dir=spec.storage.cache_dir)
    if not report.ok:
        raise DataError(report.faults)
    return report


def decode_images(spec: SweepSpec, stage: Callable[[str], None]) -> None:
    """Decode the data set at every resolution of the space, so that no trial has to.

    Raises:
        CacheError: the cache folder cannot take the decoded images.
    """
    training = scored_alike(spec)
    for resolution in decoded_resolutions(spec):
        stage(f"decoding the images at {resolution}")
        build_datasets(
            spec.data,
            resolution,
            spec.storage.cache_dir,
            mask_resolution=Resolution.parse(training.eval_resolution),
        )


def known_place(folder: SweepFolder) -> SweepPlace | None:
    """Return where a sweep is in MLflow; None where it was never written there."""
    with Ledger(folder.ledger) as ledger:
        found = ledger.fact(PLACE)
    return SweepPlace(**found) if isinstance(found, dict) else None


def artifact_root(spec: SweepSpec) -> Path:
    """Return the folder of the tracking store's artifacts, where it has no place of its own."""
    return Path(spec.storage.root) / "mlartifacts"


class _Tracker:
    """Keeps MLflow up with the sweep; a store that is away is a problem noted, nothing worse."""

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
        self._own_problems: list[str] = []

    @property
    def problems(self) -> tuple[str, ...]:
        """What MLflow did not take, each thing once."""
        return (*self.writer.problems, *self._own_problems)

    def close(self, summary: RunSummary | None) -> SweepPlace | None:
        """Write what is left with the report; None for the summary of a run that raised."""
        status: RunStatus = (
            "FAILED" if summary is None else "KILLED" if summary.interrupted else "FINISHED"
        )
        drained = self.writer.close(status=status)
        report = make_report(self._spec, self._folder)
        keep_reference(report, self._ledger)
        if not drained:
            self._own_problems.append("MLflow does not have everything yet; resume writes the rest")
            return None
        try:
            place = publish(report, self._info, self._store)
        except TrackingError as error:
            self._own_problems.append(f"the report is not in MLflow: {error}")
            return None
        self._ledger.set_fact(PLACE, asdict(place))
        return place


def _info(spec: SweepSpec, folder: SweepFolder, ledger: Ledger, data: DataReport) -> SweepInfo:
    return SweepInfo(
        sweep_id=folder.sweep_id,
        objectives=spec.objectives,
        started_ms=round(1000 * _begun(ledger)),
        trials_dir=folder.trials,
        experiment=spec.tracking.experiment,
        seed=spec.search.seed,
        git_commit=git_commit(),
        dataset_digest=data.digest,
        versions=versions(),
        spec_text=dump_spec(spec),
        workers_per_trial=spec.resources.train_workers,
        epochs=spec.budget.epochs,
        baselines=names_by_digest(spec.baselines),
    )


def _begun(ledger: Ledger) -> float:
    """Return when the sweep began first, seconds since 1970; now where it begins."""
    kept = ledger.fact(BEGUN)
    if isinstance(kept, float):
        return kept
    now = time.time()
    ledger.set_fact(BEGUN, now)
    return now
