"""The verb ``export``: artifacts of trials, to be deployed."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.report import SweepName  # noqa: TC001 - typer reads it
from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.exit_codes import INTERRUPTED, USER_FAULT
from orchestrator.cli.shared.options import AsJson, StorageRoot, examples, storage_root
from orchestrator.cli.shared.output import say, say_json, say_table, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.driver.exporting.export import ExportResult
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
        show_default=False,
        help="A complete trial; may be repeated; the whole front without one.",
    ),
]
Formats: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="NAME",
        show_default=False,
        help="pte (ExecuTorch with XNNPACK, for phones), onnx or pt2 (torch); may be repeated; all "
        "that can be written here without one.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("export", epilog=EPILOG)(export)


def export(
    sweep: SweepName = None,
    trial: Trials = None,
    formats: Formats = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Write the files that ship of a sweep's trials.

    Each is compared with the trained model on validation images; size, digest and what the
    comparison found stand in artifacts.json beside it, in the folder artifacts of the trial, and in
    MLflow. What is there already is kept. Ctrl-C stops; the same command goes on.
    """
    from orchestrator.cli.run import StopSignals
    from orchestrator.driver.exporting.export import export_trials
    from orchestrator.driver.exporting.finish import log_artifacts_of
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.report.results import make_report
    from orchestrator.spec.parse import load_spec
    from orchestrator.sweep.hooks import RunHooks

    wanted = _formats(formats)
    folder = find_sweep(storage_root(storage), sweep)
    spec = load_spec(folder.spec)
    trials = _trials(make_report(spec, folder), trial)
    with StopSignals(tell) as signals:
        hooks = RunHooks(stage=tell, stop_requested=signals.asked)
        exported = export_trials(spec, folder, trials, wanted, hooks)
    problems = (*exported.problems, *log_artifacts_of(spec, folder, exported))
    _print(exported, as_json=as_json)
    for problem in problems:
        tell(f"warning: {problem}")
    if exported.interrupted:
        tell("stopped early; the same command goes on")
        raise typer.Exit(INTERRUPTED)
    if exported.problems:
        raise typer.Exit(USER_FAULT)


def _formats(names: Sequence[str] | None) -> tuple[ArtifactFormat, ...]:
    from orchestrator.driver.exporting.export import missing_note, settle_formats
    from trainables.export.jobs import NEEDS

    known = [name for name in NEEDS if name in (names or NEEDS)]
    if unknown := [name for name in names or () if name not in NEEDS]:
        raise CliError(f"--format {', '.join(unknown)} is unknown; there are {', '.join(NEEDS)}")
    note = missing_note(known)  # type: ignore[arg-type]
    if names and note:
        raise CliError(note)
    if note:
        tell(f"warning: {note}")
    return settle_formats(known)  # type: ignore[arg-type]


def _trials(report: SweepReport, named: Sequence[str] | None) -> tuple[str, ...]:
    complete = {row.trial_id for row in report.rows if row.state == "complete"}
    if not complete:
        raise CliError(f"no trial of sweep {report.sweep_id} completed, so there is no model")
    if unknown := [name for name in named or () if name not in complete]:
        raise CliError(
            f"sweep {report.sweep_id} has no complete trial {', '.join(unknown)}; complete are "
            f"{', '.join(sorted(complete))}"
        )
    return tuple(dict.fromkeys(named or (row.trial_id for row in report.front)))


def _print(exported: ExportResult, *, as_json: bool) -> None:
    if as_json:
        say_json(
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
    say_table(("trial", "MB", "mIoU", "same class", "file"), rows)
    if rows:
        say("look at them beside the front: segsweep report")
