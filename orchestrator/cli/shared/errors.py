"""Which exceptions are the user's to mend."""

from __future__ import annotations

import errno
import tempfile
import time
import traceback
from pathlib import Path

from trainables.io.redaction import redact


class CliError(Exception):
    """A command cannot do what was asked; the message says why and what to do."""


USER_ERRORS = frozenset(
    {
        "orchestrator.cli.shared.errors.CliError",
        "orchestrator.spec.errors.SpecError",
        "cluster.jobs.server.UnknownJobError",
        "cluster.errors.ClusterError",
        "cluster.capacity.resources.ResourceError",
        "orchestrator.ledger.identity.SpecChangedError",
        "orchestrator.ledger.folders.SweepBusyError",
        "orchestrator.ledger.folders.SweepIdError",
        "orchestrator.ledger.folders.UnknownSweepError",
        "orchestrator.ledger.ledger.LedgerError",
        "orchestrator.ledger.mirroring.fetch.MirrorConflictError",
        "orchestrator.forecast.simulation.benchmark.BenchmarkError",
        "orchestrator.driver.submission.find.UnknownSubmissionError",
        "orchestrator.lanes.teacher.TeacherFailedError",
        "orchestrator.tracking.errors.TrackingError",
        "orchestrator.ledger.history.warm_start.WarmStartError",
        "trainables.compression.extras.MissingExtraError",
        "trainables.formats.runtimes.base.ArtifactError",
        "trainables.data.cache.CacheError",
        "trainables.data.faults.DataError",
        "trainables.distillation.teacher.TeacherError",
        "trainables.inference.predictor.PackedModelError",
        "trainables.io.redaction.SecretError",
        "trainables.io.object_store.StoreError",
        "trainables.models.library.LibraryMissingError",
        "trainables.models.readiness.UnbuildableError",
        "trainables.models.weights.WeightsError",
        "trainables.training.checkpoint.CheckpointError",
    }
)
"""Classes whose message is all a user needs; by name, so that none has to be imported for it."""

_ENVIRONMENT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EADDRINUSE}
    | {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)
"""Troubles of the machine: no space left, not writable, not permitted, port taken; a path that
cannot be one."""


def user_message(error: BaseException) -> str | None:
    """Return the message of an error the user can mend; None for any other.

    An error that another one was raised from counts too: libraries wrap what a process told them.
    """
    seen: BaseException | None = error
    while seen is not None:
        names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(seen).__mro__}
        if names & USER_ERRORS:
            return str(seen)
        if isinstance(seen, OSError) and seen.errno in _ENVIRONMENT:
            place = f": {seen.filename}" if seen.filename else ""
            return f"{seen.strerror}{place}"
        seen = seen.__cause__
    return None


def write_error_log(error: BaseException, folder: Path) -> Path:
    """Return the file that holds the traceback: in ``folder``, else in the temporary folder."""
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
