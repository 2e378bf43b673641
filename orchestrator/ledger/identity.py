"""Identity of a sweep: spec, data set, commit and package versions that it started with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from orchestrator.ledger.folders import list_sweeps
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import KEYS, dump_spec, parse_spec, spec_settings
from orchestrator.spec.text import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec


SPEC = "spec"
"""Fact of a ledger: the spec that the sweep started with, as YAML."""
DATASET = "dataset"
"""Fact of a ledger: the digest of the data set that the sweep started with."""
FINISHED = "finished"
"""Fact of a ledger: whether the sweep is finished."""
CHANGEABLE = (
    "resources.address",
    "resources.lanes",
    "resources.cpus_per_worker",
    "resources.gpus_per_worker",
    "storage.disk_budget_gb",
    "storage.mirror",
    "storage.mirror_seconds",
    "storage.cache",
    "data.root",
)
"""Settings that may change on resume, because no metric depends on them. The data set at
``data.root`` is compared by its digest."""


class SpecChangedError(ValueError):
    """A sweep would resume with another spec or data set."""


def settle_identity(ledger: Ledger, spec: SweepSpec, dataset_digest: str | None) -> None:
    """Record spec and data set of a new sweep; compare those of a resumed sweep with the record.

    Raises:
        SpecChangedError: a setting that trials depend on, or the data set, has changed.
    """
    recorded = ledger.fact(SPEC)
    if not isinstance(recorded, str):
        ledger.set_fact(SPEC, dump_spec(spec))
        ledger.set_fact(DATASET, dataset_digest)
        return
    changes = list(differences(recorded, spec))
    digest = ledger.fact(DATASET)
    if digest != dataset_digest:
        changes.append(f"the data set: its digest was {digest}, is {dataset_digest}")
    if changes:
        raise SpecChangedError(
            "the sweep started with other settings, whose trials would not compare:\n"
            + "\n".join(f"  {change}" for change in changes)
            + "\nundo the change and resume, or start another sweep with 'segsweep run'"
        )


def differences(recorded: str, spec: SweepSpec) -> Iterator[str]:
    """Yield each setting in which ``spec`` differs from the ``recorded`` spec, a YAML text.

    The text of a former version may lack settings, which have their defaults then.
    """
    before = _flat(_settings(recorded))
    after = _flat(spec_settings(spec))
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old != new and path not in CHANGEABLE:
            yield f"{path}: was {old!r}, is {new!r}"


def unfinished_sweep_of(root: Path, spec: SweepSpec) -> SweepFolder | None:
    """Return the latest unfinished sweep below ``root`` with this spec, running or not, or None."""
    text, settings = dump_spec(spec), spec_settings(spec)
    for folder in list_sweeps(root):
        recorded = folder.spec.read_text(encoding="utf-8")
        same = recorded == text or _settings(recorded) == settings
        if same and not _is_finished(folder):
            return folder
    return None


def _settings(text: str) -> dict[str, object]:
    """Return a dumped spec as plain values, with this version's names and defaults."""
    settings: dict[str, object] = yaml.safe_load(text)
    try:
        known = parse_spec({key: value for key, value in settings.items() if key in KEYS})
    except SpecError:
        return settings
    return {**settings, **spec_settings(known)}


def _is_finished(folder: SweepFolder) -> bool:
    if not folder.ledger.exists():
        return False
    with Ledger(folder.ledger) as ledger:
        return ledger.fact(FINISHED) is True


def _flat(settings: object, path: str = "") -> dict[str, object]:
    if not isinstance(settings, dict) or not settings:
        return {path: settings}
    return {
        place: value
        for key, part in settings.items()
        for place, value in _flat(part, f"{path}.{key}" if path else str(key)).items()
    }


_PACKAGES = ("segsweep", "torch", "torchvision", "ray", "optuna", "mlflow")

COMMIT_VARIABLE = "SEGSWEEP_COMMIT"
"""Environment variable with the commit of code that was submitted to a cluster."""


def git_commit(folder: Path | None = None) -> str | None:
    """Return the commit of the checkout around ``folder``, with ``-dirty`` if files differ.

    None outside a checkout or without git. The default is this package's folder; there,
    ``SEGSWEEP_COMMIT`` takes precedence, because submitted code has no checkout.
    """
    if folder is None and os.environ.get(COMMIT_VARIABLE):
        return os.environ[COMMIT_VARIABLE]
    checkout = folder or Path(__file__).parent
    commit = _git(checkout, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that influence metrics."""
    numbers = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            numbers[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return numbers


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        process = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git on PATH
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
