"""Copies a sweep to an object store while it runs, and from there to another machine."""

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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.ledger.folders import SweepFolder, UnknownSweepError, match_sweep
from orchestrator.ledger.identity import CHANGEABLE
from orchestrator.ledger.identity import SPEC as KEPT_SPEC
from orchestrator.ledger.ledger import Ledger, LedgerError
from orchestrator.spec.parse import dump_spec, load_spec
from trainables.io.atomic import file_digest, write_atomically
from trainables.io.claim import CLAIM
from trainables.io.object_store import ObjectStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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


_FETCH_THREADS = 16
_LAST = (LEDGER, SPEC)
"""Files that make a folder a sweep, so they are copied last."""


class MirrorConflictError(ValueError):
    """The sweep to fetch exists locally in an older state."""


def fetch_sweep(
    address: str,
    sweep_id: str | None,
    root: Path,
    *,
    overrides: Iterable[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> SweepFolder:
    """Copy a sweep from its mirror into ``root`` and return its folder.

    Its spec and ledger then name ``root`` and ``address``. A local sweep is left as it is, unless
    another machine resumed it since. Teachers are copied into ``cache`` below ``root``.

    Args:
        address: The mirror, as ``storage.mirror`` names it.
        sweep_id: Id of the sweep, or a unique prefix of it; None if the mirror holds one sweep.
        root: Storage root on this machine.
        overrides: ``dotted.path=VALUE`` settings; those that may change during a sweep are applied,
            such as ``data.root``.
        report: Called with a line about each step.

    Raises:
        StoreError: the mirror cannot be read.
        UnknownSweepError: it holds no such sweep.
        MirrorConflictError: the sweep exists locally, and another machine resumed it.
    """
    store = ObjectStore(address)
    found_id = match_sweep(_sweeps(store), sweep_id, where=store.address)
    folder = SweepFolder(Path(root), found_id)
    if folder.spec.exists():
        _refuse_older(store, folder)
        report(f"sweep {found_id} exists in {folder.root}, so it is not fetched")
        return folder
    base = f"{SWEEPS}/{found_id}"
    names = store.files(base).keys() - {OWNER, *_LAST}
    report(f"fetching sweep {found_id}: {len(names)} files")
    _copy(store, base, names, folder.path)
    _copy(store, TEACHERS, store.files(TEACHERS), folder.root / "cache" / TEACHERS)
    for suffix in ("-wal", "-shm"):  # left by an interrupted fetch, and of another ledger
        folder.ledger.with_name(LEDGER + suffix).unlink(missing_ok=True)
    store.get(f"{base}/{LEDGER}", folder.ledger)
    free = [setting for setting in overrides if setting.partition("=")[0] in CHANGEABLE]
    _move(store.address, store.read(f"{base}/{SPEC}") or b"", folder, free)
    versions = mirrored_files(folder)
    Record(
        address=store.address,
        driver=_owner(store, found_id),
        files={f"{base}/{name}": version for name, version in versions.items() if name != SPEC},
    ).save(folder)
    return folder


def _sweeps(store: ObjectStore) -> list[str]:
    """Return the ids of the mirrored sweeps; a sweep without its ledger is incomplete."""
    sweeps = [name for name in store.folders(SWEEPS) if store.has(f"{SWEEPS}/{name}/{LEDGER}")]
    if not sweeps:
        raise UnknownSweepError(
            f"there is no sweep at {store.address}; give the address of its storage.mirror"
        )
    return sweeps


def _copy(store: ObjectStore, base: str, names: Iterable[str], folder: Path) -> None:
    with ThreadPoolExecutor(max_workers=_FETCH_THREADS) as pool:
        list(pool.map(lambda name: store.get(f"{base}/{name}", folder / name), names))


def _move(address: str, text: bytes, folder: SweepFolder, overrides: Iterable[str]) -> None:
    """Write the paths of this machine into spec and ledger."""
    draft = folder.spec.with_name(f".{SPEC}")
    write_atomically(draft, text)
    root = json.dumps(str(folder.root.absolute()))
    paths = [f"storage.root={root}", "storage.cache=null", f"storage.mirror={address}"]
    spec = load_spec(draft, overrides=[*paths, *overrides])
    moved = dump_spec(spec)
    with Ledger(folder.ledger) as ledger:
        ledger.set_fact(KEPT_SPEC, moved)
    write_atomically(folder.spec, moved.encode())
    draft.unlink()


def _refuse_older(store: ObjectStore, folder: SweepFolder) -> None:
    record, owner = Record.load(folder), _owner(store, folder.sweep_id)
    if record is None or record.address != store.address or record.driver != owner:
        raise MirrorConflictError(
            f"sweep {folder.sweep_id} exists in {folder.root}, and another machine resumed it from "
            f"{store.address}; fetch it into another folder (--storage FOLDER), or resume the "
            "local one: segsweep resume without --from"
        )


def _owner(store: ObjectStore, sweep_id: str) -> str:
    try:
        return str(json.loads(store.read(f"{SWEEPS}/{sweep_id}/{OWNER}") or b"{}").get("driver"))
    except (ValueError, AttributeError):
        return "unknown"
