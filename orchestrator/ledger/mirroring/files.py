"""Which files a sweep is made of, in its folder as in a mirror."""

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
"""File of a mirrored sweep that says which driver writes there."""
RECORD = "mirrored.json"
"""File of a sweep's folder that says what was copied where."""

_OWN = frozenset({"ray", "mlflow-cursor.json", "driver.lock", "driver.json", OWNER, RECORD})
"""What belongs to one machine: it means nothing, or something else, on another one."""

State = tuple[int, int]
"""Size of a file in bytes with its time of change in nanoseconds."""


def mirrored_files(folder: SweepFolder) -> dict[str, State]:
    """Return the files of a sweep that are copied, by name below its folder, less its ledger."""
    return {
        name: state
        for name, state in _files(folder.path)
        if name.split("/")[0] not in _OWN
        and not name.startswith(LEDGER)
        and not name.endswith(f"/{CLAIM}")
    }


def teacher_files(spec: SweepSpec) -> dict[str, State]:
    """Return the files of the cache's teachers by name; none where the sweep trains no teacher."""
    if spec.teacher is None or spec.teacher.checkpoint is not None:
        return {}
    return dict(_files(spec.storage.cache_dir / TEACHERS))


def _files(folder: Path) -> Iterator[tuple[str, State]]:
    """Yield what lies below ``folder``; files whose names begin with a dot are drafts or locks."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")):
            continue
        try:
            if path.is_file():
                facts = path.stat()
                yield name, (facts.st_size, facts.st_mtime_ns)
        except FileNotFoundError:  # its trial replaced or removed it just now
            continue


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a driver knows of its mirror."""

    address: str
    """Where it is."""
    driver: str
    """Identity of the driver that wrote there last."""
    files: Mapping[str, State]
    """What is there, as it was here, by name below the address."""

    def save(self, folder: SweepFolder) -> None:
        """Keep the record in the sweep's folder."""
        told = {"address": self.address, "driver": self.driver, "files": dict(self.files)}
        write_atomically(folder.path / RECORD, json.dumps(told).encode())

    @classmethod
    def load(cls, folder: SweepFolder) -> Record | None:
        """Return the record that is kept; None without one."""
        try:
            told = json.loads((folder.path / RECORD).read_text(encoding="utf-8"))
            files = {str(name): (int(a), int(b)) for name, (a, b) in told["files"].items()}
            return cls(address=str(told["address"]), driver=str(told["driver"]), files=files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
