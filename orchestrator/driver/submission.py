"""Builds the request that submits a sweep, as a value, and packs the code it sends."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shlex
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from cluster.jobs.request import JobRequest
from orchestrator.ledger.identity import COMMIT_VARIABLE
from orchestrator.spec.sweep_spec import STORAGE_VARIABLE, default_storage_root
from orchestrator.spec.text import SpecError
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.spec.sweep_spec import SweepSpec

PACKAGES = ("orchestrator", "trainables", "search_spaces", "cluster")
LOCK = "requirements.lock"
SPEC = "spec.yaml"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedCode:
    """A folder with the code to send."""

    folder: Path
    """Path of the folder."""
    files: int
    """Number of files, >= 1."""
    size: int
    """Size of the files, bytes."""
    digest: str
    """First 12 hexadecimal digits of the SHA-256 of names and contents."""


def pack_code(into: Path, spec_text: str | None) -> PackedCode:
    """Copy the running code, the locked packages and the spec to ``into``.

    Args:
        into: Empty folder; the caller removes it.
        spec_text: The spec; None if the cluster has it already.
    """
    root = Path(__file__).parents[2]
    for name in PACKAGES:
        shutil.copytree(root / name, into / name, ignore=_LEFT_OUT)
    (into / LOCK).write_text(locked_environment(root), encoding="utf-8")
    if spec_text is not None:
        (into / SPEC).write_text(spec_text, encoding="utf-8")
    files = sorted(path for path in into.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(into)}\0{len(content)}\0".encode())
        digest.update(content)
    return PackedCode(
        folder=into,
        files=len(files),
        size=sum(path.stat().st_size for path in files),
        digest=digest.hexdigest()[:12],
    )


def locked_environment(root: Path) -> str:
    """Return ``name==version`` lines: the lock file at ``root``, else the installed packages."""
    lock = root / LOCK
    if lock.is_file():
        return lock.read_text(encoding="utf-8")
    installed = {
        f"{each.name}=={each.version}"
        for each in importlib.metadata.distributions()
        if each.name and each.name.lower() != "segsweep"
    }
    return "".join(f"{line}\n" for line in sorted(installed, key=str.lower))


Environment: TypeAlias = Literal["locked", "installed"]
"""Python packages of the job: locked, installed by uv on each node, or those of the nodes."""

SWEEP = "segsweep.sweep"
"""Job label: id of the sweep."""
STORAGE = "segsweep.storage"
"""Job label: storage root of the sweep on the cluster."""

_CLI = "orchestrator.cli.main"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Python version of the cluster; it must be ours, because Ray exchanges pickles."""
_PYTHON: Mapping[Environment, str] = {
    "locked": f"uv run --no-project --python {_VERSION} --with-requirements {LOCK} python",
    "installed": "python",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSettings:
    """Settings of a job's processes."""

    environment: Environment = "locked"
    """Python packages."""
    image: str | None = None
    """Container image, which then provides the packages; None runs on the nodes."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""
    commit: str | None = None
    """Commit of the code; None if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The submission of a sweep."""

    sweep_id: str
    """Id of the sweep."""
    storage: str
    """Storage root on the cluster, a folder that all nodes mount."""
    request: JobRequest
    """Request to the Jobs server."""


def for_cluster(spec: SweepSpec, storage: str | None) -> SweepSpec:
    """Return the spec as it runs on a cluster.

    Args:
        spec: Spec as read on this machine.
        storage: Storage root on the cluster; None uses the spec's.

    Raises:
        SpecError: the storage root is missing or relative, or an address is local to this machine.
    """
    root = storage or spec.storage.root
    faults = []
    if storage is None and root == default_storage_root():
        faults.append(
            Fault(
                "storage.root",
                "must be a folder that every node of the cluster mounts; give --storage FOLDER",
            )
        )
    if not Path(root).is_absolute():
        faults.append(
            Fault(
                "storage.root",
                f"must be an absolute path, got {root!r}; set object stores as storage.mirror",
            )
        )
    if spec.tracking.uri and any(
        f"//{here}" in spec.tracking.uri for here in ("localhost", "127.")
    ):
        faults.append(
            Fault(
                "tracking.uri",
                f"must be an address that the cluster can reach, got {spec.tracking.uri!r}",
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
    """Return the beginning of a command line that starts Python in an environment."""
    return _PYTHON[environment]


def python_text(command: str) -> str:
    """Return the source of a command's Python packages as text."""
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
    """Return the submission of a sweep.

    The first submission runs ``segsweep run --id``, which starts the sweep or resumes it, so Ray
    can repeat the command after the loss of the head. Later submissions run ``segsweep resume``.

    Args:
        sweep_id: Id of the sweep.
        storage: Storage root on the cluster.
        working_dir: Folder of the packed code.
        settings: Settings of the job's processes.
        again: 0 for the first submission of the sweep, else the number of the resubmission.
        mirror: Object store to download the sweep from; None if it is in the storage root.
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
