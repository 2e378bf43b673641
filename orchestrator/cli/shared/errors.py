"""Exit codes, and which exceptions are user errors."""

from __future__ import annotations

import errno
import tempfile
import time
import traceback
from pathlib import Path

from trainables.io.redaction import redact

OUR_FAULT = 1
"""An unexpected error; its traceback is in a log."""
NO_RESULT = 1
"""A sweep ended without a complete trial."""
USER_FAULT = 2
"""A user error, such as a fault of the spec."""
INTERRUPTED = 130
"""Interrupted by Ctrl-C; 128 + SIGINT, as in shells."""


class CliError(Exception):
    """A command cannot run; the message says why and what to do."""


USER_ERRORS = frozenset(
    {
        "orchestrator.cli.shared.errors.CliError",
        "orchestrator.spec.text.SpecError",
        "cluster.jobs.server.UnknownJobError",
        "cluster.errors.ClusterError",
        "cluster.capacity.resources.ResourceError",
        "orchestrator.ledger.identity.SpecChangedError",
        "orchestrator.ledger.folders.SweepBusyError",
        "orchestrator.ledger.folders.SweepIdError",
        "orchestrator.ledger.folders.UnknownSweepError",
        "orchestrator.ledger.ledger.LedgerError",
        "orchestrator.ledger.mirror.MirrorConflictError",
        "orchestrator.forecast.simulation.benchmark.BenchmarkError",
        "orchestrator.driver.sweep_jobs.UnknownSubmissionError",
        "orchestrator.lanes.teacher.TeacherFailedError",
        "orchestrator.tracking.client.TrackingError",
        "orchestrator.ledger.warm_start.WarmStartError",
        "trainables.io.extras.MissingExtraError",
        "trainables.formats.runtimes.base.ArtifactError",
        "trainables.data.cache.CacheError",
        "trainables.data.faults.DataError",
        "trainables.distillation.teacher.TeacherError",
        "trainables.inference.predictor.PackedModelError",
        "trainables.io.redaction.SecretError",
        "trainables.io.object_store.StoreError",
        "trainables.models.readiness.UnbuildableError",
        "trainables.models.weights.WeightsError",
        "trainables.training.checkpoint.CheckpointError",
    }
)
"""Classes that are printed as one message without a traceback; by name, to import none of them."""

_ENVIRONMENT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EADDRINUSE}
    | {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)
"""System errors that the user can fix: a full disk, missing permission, a used port, a bad path."""


def user_message(error: BaseException) -> str | None:
    """Return the message of a user error; None for any other error.

    The causes of ``error`` are searched too, because Ray wraps the errors of its workers.
    """
    cause: BaseException | None = error
    while cause is not None:
        names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(cause).__mro__}
        if names & USER_ERRORS:
            return str(cause)
        if isinstance(cause, OSError) and cause.errno in _ENVIRONMENT:
            return f"{cause.strerror}: {cause.filename}" if cause.filename else str(cause.strerror)
        cause = cause.__cause__
    return None


def write_error_log(error: BaseException, folder: Path) -> Path:
    """Write the traceback to ``folder``, else to the temporary folder; return the file."""
    text = redact("".join(traceback.format_exception(error)))
    name = f"segsweep-error-{time.strftime('%Y%m%d-%H%M%S')}.log"
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return place / name
    raise error
