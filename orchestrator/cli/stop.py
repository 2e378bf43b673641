"""The verb ``stop``: stop a sweep on a cluster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import print_err, print_json, print_out
from orchestrator.cli.shared.remote import Address, RemoteSweep, connect

if TYPE_CHECKING:
    from cluster.jobs.request import Job
    from cluster.jobs.server import JobServer

EPILOG = examples("segsweep stop camvid-20260131-120000 --address http://head:8265")
_POLL_SECONDS = 1.0


def stop(
    sweep: RemoteSweep = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Stop a submitted sweep cleanly and wait until it has ended; it can be resumed.

    Open trials keep the checkpoint of their last epoch.
    """
    from orchestrator.cli.status import job_facts
    from orchestrator.driver.submission import SWEEP
    from orchestrator.driver.sweep_jobs import find_job

    server = connect(address)
    job = find_job(server.jobs(), sweep)
    if not job.over:
        print_err(f"stopping sweep {job.labels[SWEEP]}")
        server.stop(job.job_id)
        job = _ended(server, job)
    if as_json:
        print_json(job_facts(job))
    else:
        print_out(f"sweep {job.labels[SWEEP]}: {job.state}")
        print_err(
            f"resume it: segsweep submit --resume {job.labels[SWEEP]} --address {server.address}"
        )


def _ended(server: JobServer, job: Job) -> Job:
    from cluster.jobs.request import STOP_SECONDS

    until = time.monotonic() + STOP_SECONDS + 30
    while not job.over and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        job = server.job(job.job_id)
    return job
