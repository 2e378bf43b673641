"""Messages for failed jobs: cause, remedy and end of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.jobs.failure import LOG_CHARACTERS, LOG_LINES, cause, log_end, missing_program
from orchestrator.ledger.identity import COMMIT_VARIABLE
from orchestrator.spec.sweep_spec import STORAGE_VARIABLE
from trainables.io.redaction import redact, redact_values

if TYPE_CHECKING:
    from cluster.jobs.request import Job

_PUBLIC = frozenset({COMMIT_VARIABLE, STORAGE_VARIABLE})
"""Variables that every submission sets; their values are not secret."""
_REMEDIES = {
    "uv": "install uv there (https://docs.astral.sh/uv), or give --installed to use the Python "
    "packages of the nodes",
    "python": "start Ray there with the folder of its Python on the PATH, or give --locked if the "
    "nodes have uv",
}


def failure(job: Job, log: str = "") -> str:
    """Return why a job failed and what to do, in one line; empty if Ray reports nothing.

    Args:
        job: The job.
        log: Its log; empty uses the part in Ray's message.
    """
    program = missing_program(job.command, log or job.message)
    if program not in _REMEDIES:
        return cause(_without_secrets(job, job.message)) or job.error_type or ""
    node = f"node {job.node}" if job.node else "the node that runs the job"
    return f"{node} has no program {program!r} on its PATH; {_REMEDIES[program]}"


def failure_with_log(job: Job, log: str) -> str:
    """Return why a job failed, with the end of its log."""
    kind = f" ({job.error_type})" if job.error_type else ""
    head = f"job {job.job_id} failed{kind}: {failure(job, log) or 'Ray reports no reason'}"
    quoted = _end_of(job, log)
    return "\n  ".join([head, *(["the end of its log:", *quoted] if quoted else [])])


def last_line(job: Job, log: str) -> str:
    """Return the last line of a job's log."""
    return next(iter(_end_of(job, log, 1)), "nothing written yet")


def _end_of(job: Job, log: str, lines: int = LOG_LINES) -> list[str]:
    """Return the last lines; secrets are redacted first, because cutting could split one."""
    return log_end(_without_secrets(job, log[-LOG_CHARACTERS:]), lines)


def _without_secrets(job: Job, text: str) -> str:
    secret = {name: value for name, value in job.environment.items() if name not in _PUBLIC}
    return redact(redact_values(text, secret))
