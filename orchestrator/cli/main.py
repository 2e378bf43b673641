"""The command ``segsweep``."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

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
from orchestrator.cli.shared.errors import user_message, write_error_log
from orchestrator.cli.shared.exit_codes import INTERRUPTED, OUR_FAULT, USER_FAULT
from orchestrator.cli.shared.output import escape_unknown, tell
from trainables.io.redaction import redact_logs

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Verbs(TyperGroup):
    """Lets an interruption through, which the library would make an exit code without a word."""

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
VERBS = (run, report, ui, sweeps, promote, rollback, models, predict, presets, data, teacher)
CLUSTER_VERBS = (submit, status, logs, stop, top)
for verb in (
    *VERBS,
    *CLUSTER_VERBS,
    export,
    extend,
    profile,
    plan,
    papers,
    simulate,
    verify,
    doctor,
):
    verb.register(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command of the arguments, by default this process's, and leave with its exit code.

    0 is success, 2 a fault of the input, 1 an error of ours with a log or a sweep without a
    complete trial, 130 an interruption.
    """
    redact_logs()
    for stream in (sys.stdout, sys.stderr):
        escape_unknown(stream)
    try:
        code = app(args=arguments, prog_name="segsweep", standalone_mode=False)
    except typer.Abort:
        tell("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place that can say it in one line
        sys.exit(explain_usage(error) if isinstance(error, _UsageError) else explain(error))
    sys.exit(code if isinstance(code, int) else 0)


@runtime_checkable
class _UsageError(Protocol):
    """What the library of the command line raises, in whichever package of its versions."""

    exit_code: int

    def show(self, file: IO[str] | None = None) -> None:
        """Write what is wrong, with the command's usage."""


def explain_usage(error: _UsageError) -> int:
    """Say what is wrong with the command line, as any other message is said; return the code."""
    text = io.StringIO()
    error.show(text)
    tell(text.getvalue().rstrip())
    return error.exit_code


def explain(error: Exception) -> int:
    """Say what went wrong, in words for the user, and return the exit code."""
    message = user_message(error)
    if message is not None:
        tell(f"error: {message}")
        return USER_FAULT
    from pathlib import Path

    from orchestrator.spec.sweep_spec import default_storage_root

    log = write_error_log(error, Path(default_storage_root()) / "logs")
    tell(f"unexpected error: {type(error).__name__}: {str(error).strip() or 'no message'}")
    tell(f"the whole story is in {log}")
    return OUR_FAULT


if __name__ == "__main__":
    main()
