"""Sweep folders below a storage root."""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOOKERS_SECONDS = 1.0
"""Longest wait of a driver for a lock that ``is_driven`` holds for a moment."""


class UnknownSweepError(ValueError):
    """No sweep has that name."""


class SweepBusyError(RuntimeError):
    """Another process runs the sweep."""


class SweepIdError(ValueError):
    """The text is not a valid sweep id."""


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """Paths of one sweep's files."""

    root: Path
    """Storage root."""
    sweep_id: str
    """Id of the sweep, the name of its folder."""

    @property
    def path(self) -> Path:
        """Folder of the sweep."""
        return self.root / "sweeps" / self.sweep_id

    @property
    def spec(self) -> Path:
        """The spec of the run."""
        return self.path / "spec.yaml"

    @property
    def ledger(self) -> Path:
        """The ledger."""
        return self.path / "ledger.db"

    @property
    def trials(self) -> Path:
        """Folder with one folder per trial."""
        return self.path / "trials"

    @property
    def report(self) -> Path:
        """Folder of the report's files."""
        return self.path / "report"

    def lock(self) -> FileLock:
        """Lock the sweep for this process, until the returned lock is released.

        The operating system releases the lock with the process, so no stale lock remains.

        Raises:
            SweepBusyError: another process has locked it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / "driver.lock")
        try:
            lock.acquire(timeout=_LOOKERS_SECONDS)
        except Timeout as error:
            raise SweepBusyError(
                f"sweep {self.sweep_id} is run by {self._driver()}; wait for it or stop it"
            ) from error
        holder = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
        (self.path / "driver.json").write_text(holder, encoding="utf-8")
        return lock

    def is_driven(self) -> bool:
        """Whether a process runs the sweep now; False where no lock can be created."""
        lock = FileLock(self.path / "driver.lock")
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    def _driver(self) -> str:
        try:
            holder = json.loads((self.path / "driver.json").read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def new_sweep(root: Path, name: str, now: Callable[[], datetime] = datetime.now) -> SweepFolder:
    """Create and return the folder of a new sweep; its id is the name with the time."""
    stem = sweep_id_for(name, now())
    for suffix in ("", *(f"-{i}" for i in range(2, 1000))):
        folder = SweepFolder(Path(root), stem + suffix)
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{root} has a thousand sweeps called {stem}")


def sweep_id_for(name: str, now: datetime) -> str:
    """Return the id of a new sweep: its name in ASCII letters and digits, with the time."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "sweep"
    return f"{plain}-{now:%Y%m%d-%H%M%S}"


def sweep_of_id(root: Path, sweep_id: str) -> SweepFolder:
    """Return the folder of the sweep with exactly that id, existing or not.

    Raises:
        SweepIdError: the id is invalid.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", sweep_id):
        raise SweepIdError(
            f"a sweep's id has 1 to 80 lowercase letters, digits, dots, dashes or underscores and "
            f"begins with a letter or digit, got {sweep_id!r}"
        )
    return SweepFolder(Path(root), sweep_id)


def list_sweeps(root: Path) -> list[SweepFolder]:
    """Return the sweeps below ``root``, the latest first."""
    paths = [path.parent for path in (Path(root) / "sweeps").glob("*/spec.yaml")]
    paths.sort(key=lambda path: ((path / "spec.yaml").stat().st_mtime, path.name), reverse=True)
    return [SweepFolder(Path(root), path.name) for path in paths]


def find_sweep(root: Path, sweep_id: str | None = None) -> SweepFolder:
    """Return the sweep with this id or unique prefix of an id; the latest for None.

    Raises:
        UnknownSweepError: none or several sweeps match.
    """
    sweeps = list_sweeps(root)
    if not sweeps:
        raise UnknownSweepError(f"there is no sweep in {root}; start one with 'segsweep run'")
    if sweep_id is None:
        return sweeps[0]
    names = [sweep.sweep_id for sweep in sweeps]
    return SweepFolder(Path(root), match_sweep(names, sweep_id, where=str(root)))


def match_sweep(names: Sequence[str], wanted: str | None, *, where: str) -> str:
    """Return the name that equals ``wanted`` or begins with it; the only name for None.

    Raises:
        UnknownSweepError: none or several names match.
    """
    exact = [name for name in names if name == wanted]
    matching = exact or [name for name in names if name.startswith(wanted or "")]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join((matching or names)[:10])
    if wanted is None:
        raise UnknownSweepError(f"there are several sweeps at {where}; name one of {known}")
    what = "several sweeps begin with" if matching else "there is no sweep"
    raise UnknownSweepError(f"{what} {wanted!r} in {where}; there are {known}")
