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
    from orchestrator.ledger.mirroring.files import State
    from orchestrator.spec.sweep_spec import SweepSpec

_SHARE = 0.1
"""Share of the time that passes may take: after a long one follows a longer pause."""
_THREADS = 4
_NOTE = "segsweep.txt"
_LOG = logging.getLogger(__name__)


class TakenOverError(Exception):
    """Another driver goes on with the sweep in its mirror."""


class Mirror:
    """Keeps a copy of one sweep that another machine can go on from.

    A pass takes a consistent snapshot of the ledger, copies every file that changed, then the
    snapshot, and at last removes what the sweep removed. So whatever a mirrored ledger names is
    there, in the same or a later state, whenever the passes end.
    """

    def __init__(
        self, spec: SweepSpec, folder: SweepFolder, ledger: Ledger, *, address: str
    ) -> None:
        """Name the place; nothing is copied yet.

        Raises:
            StoreError: the address cannot be used.
        """
        self._spec = spec
        self._folder = folder
        self._ledger = ledger
        self._store = ObjectStore(address)
        self._base = f"{SWEEPS}/{folder.sweep_id}"
        self._driver = uuid4().hex
        known = Record.load(folder)
        mine = known is not None and known.address == self._store.address
        self._there: dict[str, State] = dict(known.files) if known is not None and mine else {}
        self._snapshot: str | None = None

    def begin(self) -> None:
        """Take the mirrored sweep for this driver.

        Raises:
            StoreError: the store does not take it.
        """
        self._store.write(_NOTE, b"Sweeps of segsweep; go on with one: segsweep resume --from\n")
        owner = {"driver": self._driver, "pid": os.getpid(), "host": socket.gethostname()}
        self._store.write(f"{self._base}/{OWNER}", json.dumps(owner).encode())

    def copy(self) -> None:
        """Make one pass.

        Raises:
            StoreError: the store does not take something; the next pass tries again.
            TakenOverError: another driver goes on with the sweep there.
        """
        self._hold()
        with tempfile.TemporaryDirectory(prefix="segsweep-mirror-") as scratch:
            snapshot = Path(scratch) / LEDGER
            self._ledger.copy_to(snapshot)
            here = self._here()
            self._put(here)
            self._hold()
            self._put_ledger(snapshot)
        for name in self._there.keys() - here.keys():
            self._store.delete(name)
            del self._there[name]
        Record(address=self._store.address, driver=self._driver, files=self._there).save(
            self._folder
        )

    def _here(self) -> dict[str, tuple[Path, State]]:
        sweep, teachers = self._folder.path, self._spec.storage.cache_dir / TEACHERS
        own = mirrored_files(self._folder).items()
        taught = teacher_files(self._spec).items()
        return {f"{self._base}/{name}": (sweep / name, state) for name, state in own} | {
            f"{TEACHERS}/{name}": (teachers / name, state) for name, state in taught
        }

    def _put(self, here: Mapping[str, tuple[Path, State]]) -> None:
        """Copy what changed, folder by folder; in a trial's the best weights before the state.

        So a state goes with weights that are not newer than it, as going on from it needs.
        """
        folders: dict[str, list[str]] = {}
        for name in sorted(here):
            if self._there.get(name) != here[name][1]:
                folders.setdefault(name.rpartition("/")[0], []).append(name)

        def put(names: list[str]) -> None:
            for name in names:
                path, state = here[name]
                try:
                    self._store.put(name, path)
                except FileNotFoundError:  # its trial replaced or removed it just now
                    continue
                self._there[name] = state

        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            list(pool.map(put, folders.values()))

    def _put_ledger(self, snapshot: Path) -> None:
        digest = file_digest(snapshot)
        if digest != self._snapshot:
            self._store.put(f"{self._base}/{LEDGER}", snapshot)
            self._snapshot = digest

    def _hold(self) -> None:
        told = self._store.read(f"{self._base}/{OWNER}")
        if told is None:
            raise StoreError(f"{self._store.address}: the sweep is not there any more")
        owner = json.loads(told)
        if owner.get("driver") != self._driver:
            raise TakenOverError(
                f"process {owner.get('pid', '?')} on {owner.get('host', 'another machine')} goes "
                f"on with the sweep at {self._store.address}; nothing more is copied there"
            )


@contextmanager
def mirrored(spec: SweepSpec, folder: SweepFolder, ledger: Ledger) -> Iterator[list[str]]:
    """Keep the mirror that ``spec`` names up with the sweep; yields what went wrong, at the end.

    The body begins after the first pass, and a last one follows it. A store that is away meanwhile
    is asked again at the next pass.

    Args:
        spec: The sweep; without ``storage.mirror`` nothing is done.
        folder: Its folder.
        ledger: Its ledger.

    Raises:
        StoreError: the store does not take the sweep at its beginning.
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
            problems.append(f"the mirror does not have the end of the sweep: {error}")


def _follow(mirror: Mirror, end: threading.Event, seconds: float) -> None:
    took = 0.0
    while not end.wait(max(seconds, took * (1 / _SHARE - 1))):
        begin = time.monotonic()
        try:
            mirror.copy()
        except TakenOverError as error:
            _LOG.warning("%s", error)
            return
        except (StoreError, LedgerError, OSError) as error:
            _LOG.warning("the mirror is behind and is tried again: %s", error)
        took = time.monotonic() - begin
