"""The files of a sweep that its mirror holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.io.atomic import write_atomically
from trainables.io.claim import CLAIM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

SWEEPS = "sweeps"
"""Folder of a mirror with one folder per sweep."""
TEACHERS = "teachers"
"""Folder of a mirror with one folder per teacher; the cache has one of the same name."""
LEDGER = "ledger.db"
SPEC = "spec.yaml"
OWNER = "owner.json"
"""File of a mirrored sweep with the driver that may write there."""
RECORD = "mirrored.json"
"""File of a sweep's folder that lists the copied files."""

_LOCAL = frozenset({"ray", "mlflow-cursor.json", "driver.lock", "driver.json", OWNER, RECORD})
"""Files that are valid on one machine only."""

FileVersion = tuple[int, int]
"""Size of a file in bytes and its time of change in nanoseconds."""


def mirrored_files(folder: SweepFolder) -> dict[str, FileVersion]:
    """Return the copied files of a sweep, by name below its folder; its ledger is left out."""
    return {
        name: version
        for name, version in _files(folder.path)
        if name.split("/")[0] not in _LOCAL
        and not name.startswith(LEDGER)
        and not name.endswith(f"/{CLAIM}")
    }


def teacher_files(spec: SweepSpec) -> dict[str, FileVersion]:
    """Return the files of the cached teachers by name; empty if the sweep trains no teacher."""
    if spec.teacher is None or spec.teacher.checkpoint is not None:
        return {}
    return dict(_files(spec.storage.cache_dir / TEACHERS))


def _files(folder: Path) -> Iterator[tuple[str, FileVersion]]:
    """Yield the files below ``folder``; names with a leading dot are drafts or locks."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")):
            continue
        try:
            if path.is_file():
                stat = path.stat()
                yield name, (stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:  # replaced or removed meanwhile by its trial
            continue


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The files that a driver copied to its mirror."""

    address: str
    """Address of the mirror."""
    driver: str
    """Identity of the driver that wrote there last."""
    files: Mapping[str, FileVersion]
    """Version of each file when it was copied, by name below the address."""

    def save(self, folder: SweepFolder) -> None:
        """Write the record into the sweep's folder."""
        content = {"address": self.address, "driver": self.driver, "files": dict(self.files)}
        write_atomically(folder.path / RECORD, json.dumps(content).encode())

    @classmethod
    def load(cls, folder: SweepFolder) -> Record | None:
        """Return the record in the sweep's folder; None without a readable one."""
        try:
            content = json.loads((folder.path / RECORD).read_text(encoding="utf-8"))
            files = {str(name): (int(a), int(b)) for name, (a, b) in content["files"].items()}
            return cls(address=str(content["address"]), driver=str(content["driver"]), files=files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
