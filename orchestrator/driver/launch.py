"""A sweep from the check of its data to its report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.start.temporary_folder import ray_folder
from orchestrator.driver.engine import run_sweep
from orchestrator.driver.exporting.export import Exported
from orchestrator.driver.exporting.finish import leave_artifacts, log_exported
from orchestrator.driver.preparation import decode_images, sound_data, sound_networks
from orchestrator.driver.retention import Retention
from orchestrator.forecast.plan import adopt_plan
from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.history.warm_start import check_warm_start, settle_warm_start
from orchestrator.ledger.identity import FINISHED, settle_identity
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.mirroring.mirror import mirrored
from orchestrator.report.results import DATA_WARNINGS, make_report, save_report
from orchestrator.spec.dump import dump_spec, settle_spec
from orchestrator.sweep.hooks import RunHooks
from orchestrator.tracking.history import History
from orchestrator.tracking.tracker import Tracker
from trainables.data.fetched import pinned
from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.tracking.pages.publish import SweepPlace
    from trainables.data.checks.report import DataReport


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
    if spec.resources.address is None:
        ray_folder()
    sound_networks(spec, hooks.stage)
    hooks.stage("checking the data")
    there = replace(spec, data=pinned(spec.data))
    warnings: list[str] = []
    hooks = replace(hooks, warn=_kept(hooks.warn, warnings))
    data = sound_data(there, hooks.warn)
    decode_images(there, data, hooks.stage, hooks.warn)
    if folder is None or not folder.spec.exists():
        check_warm_start(spec, History(spec.tracking_uri), dataset_digest=data.digest)
        folder = folder or new_sweep(Path(spec.storage.root), spec.name)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.spec, dump_spec(spec).encode())
        adopt_plan(spec, folder.root, folder.path)
    with folder.lock(), Ledger(folder.ledger) as ledger:
        settle_identity(ledger, spec, data.digest)
        ledger.set_fact(DATA_WARNINGS, warnings)
        with mirrored(spec, folder, ledger) as problems:
            launched = _run(spec, there, folder, ledger, data, hooks)
        return replace(launched, problems=(*launched.problems, *problems))


def _kept(warn: Callable[[str], None], lines: list[str]) -> Callable[[str], None]:
    """Return what passes warnings on to ``warn`` and adds them to ``lines``."""

    def both(line: str) -> None:
        lines.append(line)
        warn(line)

    return both


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
    tracker = Tracker(spec, folder, ledger, data)
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
            *summary.problems,
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


def _retention(spec: SweepSpec, folder: SweepFolder, tracker: Tracker) -> tuple[Retention, ...]:
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
