"""Copies a sweep to an object store while it runs."""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.ledger.ledger import LedgerError
from orchestrator.ledger.mirroring.files import (
    LEDGER,
    OWNER,
    SWEEPS,
    TEACHERS,
    Record,
    mirrored_files,
    teacher_files,
)
from trainables.io.atomic import file_digest
from trainables.io.object_store import ObjectStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.mirroring.files import FileVersion
    from orchestrator.spec.sweep_spec import SweepSpec

_MAX_SHARE = 0.1
"""Largest share of the time that passes take; a long pass is followed by a longer pause."""
_THREADS = 4
_NOTE = "segsweep.txt"
_LOG = logging.getLogger(__name__)


class TakenOverError(Exception):
    """Another driver resumed the sweep from its mirror."""


class Mirror:
    """Maintains a copy of one sweep from which another machine can resume.

    A pass takes a consistent snapshot of the ledger, copies every changed file, then the snapshot,
    and last deletes the files that the sweep removed. In this order every file that a mirrored
    ledger names exists, in the same or a later version, even if a pass is interrupted.
    """

    def __init__(
        self, spec: SweepSpec, folder: SweepFolder, ledger: Ledger, *, address: str
    ) -> None:
        """Read the record of earlier copies; nothing is copied.

        Raises:
            StoreError: the address is not valid.
        """
        self._spec = spec
        self._folder = folder
        self._ledger = ledger
        self._store = ObjectStore(address)
        self._base = f"{SWEEPS}/{folder.sweep_id}"
        self._driver = uuid4().hex
        record = Record.load(folder)
        valid = record is not None and record.address == self._store.address
        self._copied: dict[str, FileVersion] = dict(record.files) if record and valid else {}
        self._snapshot: str | None = None

    def begin(self) -> None:
        """Make this driver the owner of the mirrored sweep.

        Raises:
            StoreError: the store cannot be written to.
        """
        self._store.write(_NOTE, b"Sweeps of segsweep; resume one: segsweep resume --from\n")
        owner = {"driver": self._driver, "pid": os.getpid(), "host": socket.gethostname()}
        self._store.write(f"{self._base}/{OWNER}", json.dumps(owner).encode())

    def copy(self) -> None:
        """Make one pass.

        Raises:
            StoreError: a file cannot be copied; the next pass tries again.
            TakenOverError: another driver resumed the sweep from there.
        """
        self._check_owner()
        with tempfile.TemporaryDirectory(prefix="segsweep-mirror-") as scratch:
            snapshot = Path(scratch) / LEDGER
            self._ledger.copy_to(snapshot)
            local = self._local()
            self._put(local)
            self._check_owner()
            self._put_ledger(snapshot)
        for name in self._copied.keys() - local.keys():
            self._store.delete(name)
            del self._copied[name]
        Record(address=self._store.address, driver=self._driver, files=self._copied).save(
            self._folder
        )

    def _local(self) -> dict[str, tuple[Path, FileVersion]]:
        """Return path and version of each file to mirror, by name below the address."""
        sweep, teachers = self._folder.path, self._spec.storage.cache_dir / TEACHERS
        return {
            f"{self._base}/{name}": (sweep / name, version)
            for name, version in mirrored_files(self._folder).items()
        } | {
            f"{TEACHERS}/{name}": (teachers / name, version)
            for name, version in teacher_files(self._spec).items()
        }

    def _put(self, local: Mapping[str, tuple[Path, FileVersion]]) -> None:
        """Copy the changed files, those of one folder in alphabetical order.

        A trial's ``best.*`` is thus copied before its ``last.pt``: a resumed trial needs best
        weights that are not newer than its checkpoint.
        """
        folders: dict[str, list[str]] = {}
        for name in sorted(local):
            if self._copied.get(name) != local[name][1]:
                folders.setdefault(name.rpartition("/")[0], []).append(name)

        def put(names: list[str]) -> None:
            for name in names:
                path, version = local[name]
                try:
                    self._store.put(name, path)
                except FileNotFoundError:  # replaced or removed meanwhile by its trial
                    continue
                self._copied[name] = version

        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            list(pool.map(put, folders.values()))

    def _put_ledger(self, snapshot: Path) -> None:
        digest = file_digest(snapshot)
        if digest != self._snapshot:
            self._store.put(f"{self._base}/{LEDGER}", snapshot)
            self._snapshot = digest

    def _check_owner(self) -> None:
        content = self._store.read(f"{self._base}/{OWNER}")
        if content is None:
            raise StoreError(f"{self._store.address}: the mirrored sweep was removed")
        owner = json.loads(content)
        if owner.get("driver") != self._driver:
            raise TakenOverError(
                f"process {owner.get('pid', '?')} on {owner.get('host', 'another machine')} "
                f"resumed the sweep from {self._store.address}; this driver stops copying to it"
            )


@contextmanager
def mirrored(spec: SweepSpec, folder: SweepFolder, ledger: Ledger) -> Iterator[list[str]]:
    """Mirror the sweep while the body runs; the yielded list holds the problem of the last pass.

    One pass precedes the body and one follows it. A pass that fails in between is logged, and the
    next pass tries again. Without ``storage.mirror`` nothing is done.

    Raises:
        StoreError: the first pass failed.
    """
    problems: list[str] = []
    if spec.storage.mirror is None:
        yield problems
        return
    mirror = Mirror(spec, folder, ledger, address=spec.storage.mirror)
    mirror.begin()
    mirror.copy()
    end = threading.Event()
    thread = threading.Thread(
        target=_follow, args=(mirror, end, spec.storage.mirror_seconds), name="mirror", daemon=True
    )
    thread.start()
    try:
        yield problems
    finally:
        end.set()
        thread.join()
        try:
            mirror.copy()
        except (StoreError, TakenOverError, LedgerError, OSError) as error:
            problems.append(f"the mirror lacks the end of the sweep: {error}")


def _follow(mirror: Mirror, end: threading.Event, seconds: float) -> None:
    took = 0.0
    while not end.wait(max(seconds, took * (1 / _MAX_SHARE - 1))):
        begin = time.monotonic()
        try:
            mirror.copy()
        except TakenOverError as error:
            _LOG.warning("%s", error)
            return
        except (StoreError, LedgerError, OSError) as error:
            _LOG.warning("mirroring failed, the next pass tries again: %s", error)
        took = time.monotonic() - begin
