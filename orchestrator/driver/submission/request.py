"""A sweep on a cluster as one value, before anything is sent."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from cluster.jobs.request import JobRequest
from orchestrator.driver.submission.code import LOCK, SPEC
from orchestrator.ledger.provenance import COMMIT_VARIABLE
from orchestrator.spec.errors import SpecError
from orchestrator.spec.sweep_spec import STORAGE_VARIABLE, default_storage_root
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.spec.sweep_spec import SweepSpec

Environment: TypeAlias = Literal["locked", "installed"]
"""Python of the job: the locked packages, which uv installs on each node, or what nodes have."""

SWEEP = "segsweep.sweep"
"""Label that holds the sweep's id."""
STORAGE = "segsweep.storage"
"""Label that holds the sweep's storage root on the cluster."""

_CLI = "orchestrator.cli.main"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Python that the cluster must have too, as Ray sends it pickles."""
_PYTHON: Mapping[Environment, str] = {
    "locked": f"uv run --no-project --python {_VERSION} --with-requirements {LOCK} python",
    "installed": "python",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSettings:
    """How the processes of a job are set up."""

    environment: Environment = "locked"
    """Their Python packages."""
    image: str | None = None
    """Container image they run in; the packages are then those of the image."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables of theirs."""
    commit: str | None = None
    """Commit of the code that is sent; None where it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A sweep that is to be driven on a cluster."""

    sweep_id: str
    """The sweep's identity there."""
    storage: str
    """Storage root there, a folder that all nodes see."""
    request: JobRequest
    """What is sent."""


def for_cluster(spec: SweepSpec, storage: str | None) -> SweepSpec:
    """Return the spec as it runs on a cluster: on its Ray, with files where all nodes see them.

    Args:
        spec: As it was read here.
        storage: Storage root there; None takes the spec's own.

    Raises:
        SpecError: no folder is named, or a place is named that means another one there.
    """
    root = storage or spec.storage.root
    faults = []
    if storage is None and root == default_storage_root():
        faults.append(
            Fault(
                "storage.root",
                "must name a folder that every node of the cluster sees; give --storage FOLDER",
            )
        )
    if not Path(root).is_absolute():
        faults.append(
            Fault(
                "storage.root",
                f"must be an absolute path, got {root!r}; an object store is storage.mirror",
            )
        )
    if spec.tracking.uri and any(
        f"//{here}" in spec.tracking.uri for here in ("localhost", "127.")
    ):
        faults.append(
            Fault(
                "tracking.uri",
                f"must be an address that the cluster reaches, got {spec.tracking.uri!r}",
            )
        )
    if faults:
        raise SpecError(faults)
    return replace(
        spec,
        resources=replace(spec.resources, address="auto"),
        storage=replace(spec.storage, root=root),
    )


def python_of(environment: Environment) -> str:
    """Return the beginning of a command line that runs Python in an environment."""
    return _PYTHON[environment]


def python_text(command: str) -> str:
    """Return where the Python packages of a command line come from, in words."""
    return "locked, by uv" if command.startswith("uv ") else "that of the nodes"


def make_submission(
    sweep_id: str,
    storage: str,
    working_dir: Path,
    settings: JobSettings,
    *,
    again: int = 0,
    mirror: str | None = None,
) -> Submission:
    """Return what is sent for a sweep.

    A first submission is a command that begins the sweep, or goes on with it where it has begun:
    run again after the loss of the head, it resumes. A further one is found by the sweep's id too.

    Args:
        sweep_id: The sweep's identity.
        storage: Storage root on the cluster.
        working_dir: The packed code.
        settings: How the job's processes are set up.
        again: 0 for the first submission of the sweep, else its place among the further ones.
        mirror: Object store that a further submission fetches the sweep from; None: it is there.
    """
    python = python_of("installed" if settings.image else settings.environment)
    resume = ["resume", sweep_id, "--storage", storage]
    resume += [] if mirror is None else ["--from", mirror]
    verb = resume if again else ["run", SPEC, "--id", sweep_id]
    own = {"PYTHONUNBUFFERED": "1", STORAGE_VARIABLE: storage}
    if settings.commit:
        own[COMMIT_VARIABLE] = settings.commit
    return Submission(
        sweep_id=sweep_id,
        storage=storage,
        request=JobRequest(
            job_id=f"{sweep_id}-again{again}" if again else sweep_id,
            command=f"{python} -m {_CLI} {shlex.join(verb)}",
            working_dir=str(working_dir),
            environment={**own, **settings.variables},
            image=settings.image,
            labels={SWEEP: sweep_id, STORAGE: storage},
        ),
    )
