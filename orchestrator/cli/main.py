"""The command ``segsweep``."""

from __future__ import annotations

import io
import sys
from typing import IO, TYPE_CHECKING, NoReturn, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from orchestrator.cli import (
    data,
    doctor,
    export,
    extend,
    logs,
    models,
    papers,
    plan,
    predict,
    presets,
    profile,
    promote,
    report,
    resume,
    rollback,
    run,
    simulate,
    status,
    stop,
    submit,
    sweeps,
    teacher,
    top,
    ui,
    verify,
)
from orchestrator.cli.shared.errors import (
    INTERRUPTED,
    OUR_FAULT,
    USER_FAULT,
    user_message,
    write_error_log,
)
from orchestrator.cli.shared.output import escape_unencodable, print_err
from trainables.io.redaction import redact_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class _Verbs(TyperGroup):
    """Raises ``Abort`` at Ctrl-C, which typer would turn into an exit code without a message."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="segsweep",
    cls=_Verbs,
    help="Find the best small segmentation models for a device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
VERBS: Mapping[str, Callable[..., None]] = {
    "run": run.run,
    "resume": resume.resume,
    "report": report.report,
    "ui": ui.ui,
    "list": sweeps.sweeps,
    "promote": promote.promote,
    "rollback": rollback.rollback,
    "models": models.models,
    "predict": predict.predict,
    "presets": presets.presets,
    "data check": data.check,
    "teacher train": teacher.train,
    "submit": submit.submit,
    "status": status.status,
    "logs": logs.logs,
    "stop": stop.stop,
    "top": top.top,
    "export": export.export,
    "extend": extend.extend,
    "profile": profile.profile,
    "plan": plan.plan,
    "papers": papers.papers,
    "simulate": simulate.simulate,
    "verify": verify.verify,
    "doctor": doctor.doctor,
}
"""The verbs in the order of the help text; the module of each has its ``EPILOG``."""
GROUPS = {"data": "Check a data set.", "teacher": "Train a teacher."}
"""Help texts of the groups of verbs."""

for name, verb in VERBS.items():
    group, command = app, name
    if " " in name:
        of_group, command = name.split(" ")
        group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=GROUPS[of_group])
        group.callback()(lambda: None)  # keeps a group of one verb a group
        app.add_typer(group, name=of_group)
    group.command(command, epilog=sys.modules[verb.__module__].EPILOG)(verb)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command of ``arguments``, by default of this process, and exit with its code."""
    redact_logs()
    for stream in (sys.stdout, sys.stderr):
        escape_unencodable(stream)
    try:
        code = app(args=arguments, prog_name="segsweep", standalone_mode=False)
    except typer.Abort:
        print_err("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - every error becomes one message
        sys.exit(explain_usage(error) if isinstance(error, _UsageError) else explain(error))
    sys.exit(code if isinstance(code, int) else 0)


@runtime_checkable
class _UsageError(Protocol):
    """Usage error of click, whose module depends on typer's version."""

    exit_code: int

    def show(self, file: IO[str] | None = None) -> None:
        """Write the error with the command's usage."""


def explain_usage(error: _UsageError) -> int:
    """Print a usage error like any other message; return the exit code."""
    text = io.StringIO()
    error.show(text)
    print_err(text.getvalue().rstrip())
    return error.exit_code


def explain(error: Exception) -> int:
    """Print an error as one message and return the exit code."""
    message = user_message(error)
    if message is not None:
        print_err(f"error: {message}")
        return USER_FAULT
    from pathlib import Path

    from orchestrator.spec.sweep_spec import default_storage_root

    log = write_error_log(error, Path(default_storage_root()) / "logs")
    print_err(f"unexpected error: {type(error).__name__}: {str(error).strip() or 'no message'}")
    print_err(f"full traceback: {log}")
    return OUR_FAULT


if __name__ == "__main__":
    main()
