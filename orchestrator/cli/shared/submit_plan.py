"""Builds the submissions of the verb ``submit``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.remote import connect

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.driver.submission import JobSettings, PackedCode, Submission
    from orchestrator.spec.sweep_spec import SweepSpec

Plan: TypeAlias = "list[tuple[str, str]]"
"""Names with values, to print."""


def new_submission(
    spec: SweepSpec, storage: str | None, folder: Path, settings: JobSettings
) -> tuple[Submission, PackedCode, Plan]:
    """Return the submission of a new sweep, with the code packed into ``folder``.

    Raises:
        SpecError: the spec cannot be run on a cluster; it lists every fault.
    """
    from datetime import datetime

    from orchestrator.driver.submission import for_cluster, make_submission, pack_code
    from orchestrator.ledger.folders import sweep_id_for
    from orchestrator.spec.parse import dump_spec

    final = for_cluster(spec, storage)
    sweep_id = sweep_id_for(final.name, datetime.now())  # noqa: DTZ005 - ids use the user's local time
    wanted = make_submission(sweep_id, final.storage.root, folder, settings)
    return wanted, pack_code(folder, dump_spec(final)), _plan(final, wanted)


def resume_submission(
    sweep: str,
    address: str | None,
    storage: str | None,
    folder: Path,
    settings: JobSettings,
    *,
    mirror: str | None,
    inherit: bool = False,
) -> tuple[Submission, PackedCode, Plan]:
    """Return the submission that resumes a sweep, with the code packed into ``folder``.

    Args:
        sweep: Id of the sweep, or a unique prefix of it.
        address: Jobs server of the cluster.
        storage: Storage root on the cluster; None is that of the sweep's last job.
        folder: Empty folder; the caller removes it.
        settings: Settings of the job's processes.
        mirror: Object store to download the sweep from; None if it is in the storage root.
        inherit: Whether to use Python and image of the sweep's last job.

    Raises:
        UnknownSubmissionError: the cluster has no such sweep, or it is running.
        StoreError: ``mirror`` is not an address of an object store.
    """
    from orchestrator.driver.submission import STORAGE, SWEEP, make_submission, pack_code
    from orchestrator.driver.sweep_jobs import (
        UnknownSubmissionError,
        as_submitted,
        find_job,
        next_again,
    )
    from trainables.io.object_store import StoreError, address_fault, without_secrets

    if mirror is not None and (fault := address_fault(mirror)):
        raise StoreError(f"--from {without_secrets(mirror)}: {fault}")
    jobs = connect(address).jobs()
    try:
        last = find_job(jobs, sweep)
        labels = dict(last.labels)
        settings = as_submitted(settings, last) if inherit else settings
    except UnknownSubmissionError:
        if storage is None:
            raise
        labels = {SWEEP: sweep, STORAGE: storage}
    again = next_again(jobs, labels[SWEEP])
    place = storage or labels[STORAGE]
    wanted = make_submission(labels[SWEEP], place, folder, settings, again=again, mirror=mirror)
    plan = [("sweep", wanted.sweep_id), ("storage", wanted.storage)]
    plan += [] if mirror is None else [("fetched from", mirror)]
    return wanted, pack_code(folder, None), plan


def read_variables(variables: list[str] | None) -> dict[str, str]:
    """Return the variables of ``NAME=VALUE`` texts; those of ``NAME`` come from this shell.

    Raises:
        CliError: this shell has no such variable.
    """
    values = {}
    for each in variables or ():
        name, given, value = each.partition("=")
        if not given and name not in os.environ:
            raise CliError(f"--env {name}: this shell has no such variable; give {name}=VALUE")
        values[name] = value if given else os.environ[name]
    return values


def _plan(spec: SweepSpec, wanted: Submission) -> Plan:
    resources = spec.resources
    gpus = resources.gpus_per_worker
    each = "a GPU if the cluster has any" if gpus is None else f"{gpus:g} GPU(s)"
    return [
        ("sweep", wanted.sweep_id),
        ("trials", f"{spec.budget.trials} of at most {spec.budget.epochs} epochs"),
        ("objectives", ", ".join(f"{o.name} ({o.direction})" for o in spec.objectives)),
        ("lanes", "as many as fit" if resources.lanes is None else str(resources.lanes)),
        (
            "each lane",
            f"{resources.train_workers} worker(s) of {resources.cpus_per_worker:g} CPU(s), {each}",
        ),
        ("data", f"{spec.data.format} {spec.data.root or '(generated)'}"),
        ("storage", wanted.storage),
        ("tracking", spec.tracking_uri),
    ]
