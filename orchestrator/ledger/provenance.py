"""Which code, on which versions, a sweep was run with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_PACKAGES = ("segsweep", "torch", "torchvision", "ray", "optuna", "mlflow")

COMMIT_VARIABLE = "SEGSWEEP_COMMIT"
"""Environment variable that names the commit of code that was sent elsewhere."""


def git_commit(folder: Path | None = None) -> str | None:
    """Return the commit of the checkout that holds ``folder``, with ``-dirty`` where it differs.

    None outside a checkout, or without git. ``folder`` is the code's own by default; code that was
    sent elsewhere is told its commit by the variable ``SEGSWEEP_COMMIT``.
    """
    if folder is None and os.environ.get(COMMIT_VARIABLE):
        return os.environ[COMMIT_VARIABLE]
    where = folder or Path(__file__).parent
    commit = _git(where, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _git(where, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a trial's figures."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
