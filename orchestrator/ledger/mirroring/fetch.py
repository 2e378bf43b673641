"""Copies a sweep from its mirror, so that this machine can resume it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ledger.folders import SweepFolder, UnknownSweepError, match_sweep
from orchestrator.ledger.identity import CHANGEABLE
from orchestrator.ledger.identity import SPEC as KEPT_SPEC
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.mirroring.files import (
    LEDGER,
    OWNER,
    SPEC,
    SWEEPS,
    TEACHERS,
    Record,
    mirrored_files,
)
from orchestrator.spec.dump import dump_spec
from orchestrator.spec.parse import load_spec
from trainables.io.atomic import write_atomically
from trainables.io.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_THREADS = 16
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
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
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
