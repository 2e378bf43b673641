"""Runs a sweep from the check of its data to its report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.driver.engine import run_sweep
from orchestrator.driver.exporting import ExportResult, export_artifacts, log_artifacts_of
from orchestrator.driver.request import build_request
from orchestrator.driver.retention import retention_listeners
from orchestrator.forecast.plan import adopt_plan
from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.identity import FINISHED, settle_identity
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.mirror import mirrored
from orchestrator.ledger.warm_start import settle_warm_start
from orchestrator.report.files import DATA_WARNINGS, make_report, save_report
from orchestrator.spec.parse import dump_spec
from orchestrator.sweep.hooks import RunHooks
from orchestrator.tracking.history import History
from orchestrator.tracking.tracker import Tracker
from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from orchestrator.driver.request import RunRequest
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.tracking.pages.publish import SweepPlace


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """Result of a run of a sweep."""

    folder: SweepFolder
    """The sweep's folder."""
    report: SweepReport
    """The sweep's report."""
    files: tuple[Path, ...]
    """Files of the report."""
    interrupted: bool
    """Whether work remains that ``resume`` continues."""
    place: SweepPlace | None
    """The sweep's pages in MLflow; None if the tracking store did not answer."""
    trouble: str | None = None
    """Error that ended the run early without a request to stop; None if there was none."""
    problems: tuple[str, ...] = ()
    """Faults besides the trials: dead lanes, an unreachable tracking store, failed exports."""


def launch(
    spec: SweepSpec, *, hooks: RunHooks | None = None, folder: SweepFolder | None = None
) -> RunResult:
    """Run or resume a sweep; return its result. Writes the ledger, MLflow and the report's files.

    Args:
        spec: Spec of the sweep.
        hooks: Progress callbacks, listeners and the request to stop; None uses none.
        folder: Folder of the sweep, which may hold an earlier run of the same spec; None makes one.

    Raises:
        SpecError: the spec cannot be run; it lists every fault.
        SweepBusyError: another process drives the sweep.
        SpecChangedError: the folder's sweep began with another spec or data set.
        StoreError: the object store of ``storage.mirror`` refuses the sweep.
        UnbuildableError, DataError, CacheError, WarmStartError, TrackingError: see
            ``build_request``.
        ClusterError, ResourceError, TeacherFailedError, LedgerError: see ``run_sweep``.
    """
    hooks = hooks or RunHooks()
    return run_request(build_request(spec, hooks, folder), hooks)


def run_request(request: RunRequest, hooks: RunHooks) -> RunResult:
    """Run a checked sweep; see ``launch`` for what it writes and raises."""
    folder = request.folder or new_sweep(Path(request.spec.storage.root), request.spec.name)
    if not folder.spec.exists():
        folder.path.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.spec, dump_spec(request.spec).encode())
        adopt_plan(request.spec, folder.root, folder.path)
    with folder.lock(), Ledger(folder.ledger) as ledger:
        settle_identity(ledger, request.spec, request.data.digest)
        ledger.set_fact(DATA_WARNINGS, request.data_warnings)
        with mirrored(request.spec, folder, ledger) as mirror_problems:
            result = _drive(request, folder, ledger, hooks)
        return replace(result, problems=(*result.problems, *mirror_problems))


def _drive(request: RunRequest, folder: SweepFolder, ledger: Ledger, hooks: RunHooks) -> RunResult:
    """Run the search, the final checks, the exports and the report; the caller holds the lock."""
    spec, num_classes = request.spec, request.num_classes
    ledger.set_fact(FINISHED, False)
    _settle_warm_start(request, folder, ledger, hooks)
    tracker = Tracker(spec, folder, ledger, request.data)
    retention = retention_listeners(spec, folder, copied=lambda: tracker.writer.cursor)
    listeners = (*hooks.listeners, tracker.writer, *retention)
    summary, exported = None, ExportResult()
    try:
        summary = run_sweep(
            request.pinned_spec,
            folder,
            num_classes=num_classes,
            hooks=replace(hooks, listeners=listeners),
        )
        if not summary.interrupted:
            exported = export_artifacts(request.pinned_spec, folder, ledger, num_classes, hooks)
            summary = replace(summary, interrupted=exported.interrupted)
    finally:
        hooks.stage("writing the report")
        place = tracker.close(summary)
    ledger.set_fact(FINISHED, not summary.interrupted)
    report = make_report(spec, folder)
    return RunResult(
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
            *log_artifacts_of(spec, folder, exported),
            *tracker.problems,
            *filter(None, (each.tidy() for each in retention)),
        ),
    )


def _settle_warm_start(
    request: RunRequest, folder: SweepFolder, ledger: Ledger, hooks: RunHooks
) -> None:
    """Write the trials of earlier sweeps to the ledger if the spec requests a warm start."""
    if not request.spec.search.warm_start:
        return
    hooks.stage("reading earlier sweeps")
    warm_start = settle_warm_start(
        request.spec,
        ledger,
        History(request.spec.tracking_uri),
        sweep_id=folder.sweep_id,
        dataset_digest=request.data.digest,
    )
    count = len(warm_start.sweeps)
    hooks.stage(f"warm start: {warm_start.trials} trials of {count} earlier sweep(s)")
