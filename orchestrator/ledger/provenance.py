"""Commit and package versions of a sweep's run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

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
