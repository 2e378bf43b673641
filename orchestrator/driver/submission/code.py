"""The files that go to a cluster with a sweep."""

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
    """A folder that is ready to be sent."""

    folder: Path
    """Where it is on this machine."""
    files: int
    """Number of its files, >= 1."""
    size: int
    """Their size, bytes."""
    digest: str
    """First 12 hexadecimal digits of the SHA-256 of their names with their contents."""


def pack_code(into: Path, spec_text: str | None) -> PackedCode:
    """Return the code that runs now, copied to ``into`` with the locked environment and the spec.

    Args:
        into: Empty folder; the caller removes it.
        spec_text: The spec; None where the cluster has it already.
    """
    root = Path(__file__).parents[3]
    for name in PACKAGES:
        shutil.copytree(root / name, into / name, ignore=_LEFT_OUT)
    (into / LOCK).write_text(locked_environment(root), encoding="utf-8")
    if spec_text is not None:
        (into / SPEC).write_text(spec_text, encoding="utf-8")
    found = sorted(path for path in into.rglob("*") if path.is_file())
    seen = hashlib.sha256()
    for path in found:
        content = path.read_bytes()
        seen.update(f"{path.relative_to(into)}\0{len(content)}\0".encode())
        seen.update(content)
    return PackedCode(
        folder=into,
        files=len(found),
        size=sum(path.stat().st_size for path in found),
        digest=seen.hexdigest()[:12],
    )


def locked_environment(root: Path) -> str:
    """Return one ``name==version`` per line: the lock file at ``root``, else what is installed."""
    lock = root / LOCK
    if lock.is_file():
        return lock.read_text(encoding="utf-8")
    found = {
        f"{each.name}=={each.version}"
        for each in importlib.metadata.distributions()
        if each.name and each.name.lower() != "segsweep"
    }
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))
