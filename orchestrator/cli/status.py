"""The verb ``status``: the state of a sweep on a cluster."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import (
    escape_control,
    print_err,
    print_json,
    print_pairs,
    seconds_text,
)
from orchestrator.cli.shared.remote import Address, RemoteSweep, connect

if TYPE_CHECKING:
    from cluster.jobs.request import Job

EPILOG = examples(
    "segsweep status --address http://head:8265",
    "segsweep status camvid-20260131-120000 --address http://head:8265 --json",
)


def status(
    sweep: RemoteSweep = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Print the state of a submitted sweep, its time left and the last line of its log."""
    from orchestrator.driver.sweep_jobs import find_job, last_line

    server = connect(address)
    job = find_job(server.jobs(), sweep)
    facts = job_facts(job)
    text = server.logs(job.job_id)
    left = None if job.over else time_left(text)
    facts, last = {**facts, "time_left": left}, last_line(job, text)
    if as_json:
        print_json({**facts, "last_line": last})
        return
    rows = {**facts, "last line": last}
    print_pairs(
        (name, "-" if value is None else escape_control(str(value)))
        for name, value in rows.items()
        if name not in {"started", "ended"}
    )
    if not job.over:
        print_err(
            f"follow it: segsweep logs {facts['sweep_id']} --follow --address {server.address}"
        )
    elif job.state != "succeeded":
        print_err(
            f"resume it: segsweep submit --resume {facts['sweep_id']} --address {server.address}"
        )


def job_facts(job: Job) -> dict[str, object]:
    """Return the facts about a sweep's job as JSON types."""
    from orchestrator.driver.submission import STORAGE, SWEEP
    from orchestrator.driver.sweep_jobs import failure

    end = job.ended or time.time()
    return {
        "sweep_id": job.labels[SWEEP],
        "job_id": job.job_id,
        "state": job.state,
        "message": failure(job) or None,
        "storage": job.labels.get(STORAGE),
        "time": None if job.started is None else seconds_text(end - job.started),
        "started": job.started,
        "ended": job.ended,
    }


def time_left(text: str) -> str | None:
    """Return the last time left in a sweep's log; None if there is none."""
    printed: list[str] = re.findall(r"about ([^,|\n]+) left\b", text)
    return f"about {printed[-1]}" if printed else None
