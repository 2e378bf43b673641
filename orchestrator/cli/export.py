"""The verb ``export``: write the deployable artifacts of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.errors import INTERRUPTED, USER_FAULT, CliError
from orchestrator.cli.shared.options import (
    AsJson,
    StorageRoot,
    SweepName,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import (
    print_err,
    print_json,
    print_out,
    print_table,
    print_warning,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.driver.exporting import ExportResult
    from orchestrator.report.model import SweepReport
    from trainables.config import ArtifactFormat

EPILOG = examples(
    "segsweep export",
    "segsweep export demo-20260131-120000 --trial t00004 --format pte",
    "segsweep export --format onnx --format pt2 --json",
)
Trials: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--trial",
        metavar="ID",
        help="A complete trial; the default is the whole front. Repeatable.",
    ),
]
Formats: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="pte (ExecuTorch with XNNPACK, for phones), onnx or pt2 (torch); the default is every "
        "format whose packages are installed. Repeatable.",
    ),
]


def export(
    sweep: SweepName = None,
    trial: Trials = None,
    formats: Formats = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """Write the deployable files of a sweep's trials.

    Each file is compared with the trained model on validation images. Size, digest, mIoU and
    agreement are written to artifacts.json in the folder artifacts of the trial, and to MLflow.
    Existing files are kept. Ctrl-C stops the export; the same command resumes it.
    """
    from orchestrator.cli.shared.stop_signals import StopSignals
    from orchestrator.driver.exporting import export_trials, log_artifacts_of
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.report.files import make_report
    from orchestrator.spec.parse import load_spec
    from orchestrator.sweep.hooks import RunHooks

    wanted = _formats(formats)
    folder = find_sweep(storage_root(storage), sweep)
    spec = load_spec(folder.spec)
    trials = _trials(make_report(spec, folder), trial)
    with StopSignals(print_err) as signals:
        hooks = RunHooks(stage=print_err, stop_requested=signals.asked)
        exported = export_trials(spec, folder, trials, wanted, hooks)
    problems = (*exported.problems, *log_artifacts_of(spec, folder, exported))
    _print(exported, as_json=as_json)
    for problem in problems:
        print_warning(problem)
    if exported.interrupted:
        print_err("stopped early; repeat the command to resume")
        raise typer.Exit(INTERRUPTED)
    if exported.problems:
        raise typer.Exit(USER_FAULT)


def _formats(names: Sequence[str] | None) -> tuple[ArtifactFormat, ...]:
    from orchestrator.driver.exporting import missing_note, settle_formats
    from trainables.export.jobs import NEEDS

    known = [name for name in NEEDS if name in (names or NEEDS)]
    if unknown := [name for name in names or () if name not in NEEDS]:
        raise CliError(f"--format {', '.join(unknown)} is unknown; choose from {', '.join(NEEDS)}")
    note = missing_note(known)  # type: ignore[arg-type]
    if names and note:
        raise CliError(note)
    if note:
        print_warning(note)
    return settle_formats(known)  # type: ignore[arg-type]


def _trials(report: SweepReport, named: Sequence[str] | None) -> tuple[str, ...]:
    complete = {row.trial_id for row in report.rows if row.state == "complete"}
    if not complete:
        raise CliError(f"no trial of sweep {report.sweep_id} completed; nothing can be exported")
    if unknown := [name for name in named or () if name not in complete]:
        raise CliError(
            f"sweep {report.sweep_id} has no complete trial {', '.join(unknown)}; complete are "
            f"{', '.join(sorted(complete))}"
        )
    return tuple(dict.fromkeys(named or (row.trial_id for row in report.front)))


def _print(exported: ExportResult, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                trial: [each.to_mapping() | {"path": str(each.path)} for each in artifacts]
                for trial, artifacts in exported.artifacts.items()
            }
        )
        return
    rows = []
    for trial, artifacts in exported.artifacts.items():
        for each in artifacts:
            found = each.verification
            checked = ("-", "-")
            if found is not None:
                checked = (f"{found.miou:.4f}", f"{found.agreement:.2%}")
            rows.append((trial, f"{each.size_bytes / 1e6:.2f}", *checked, str(each.path)))
    print_table(("trial", "MB", "mIoU", "same class", "file"), rows)
    if rows:
        print_out("show them with the front: segsweep report")
