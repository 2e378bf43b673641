"""Packs the code that is sent to a cluster."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path

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
    root = Path(__file__).parents[3]
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
