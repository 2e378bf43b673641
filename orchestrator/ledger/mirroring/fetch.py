"""Fetches a sweep from its mirror, so that this machine can go on with it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ledger.folders import SweepFolder, UnknownSweepError, match_sweep
from orchestrator.ledger.identity import FREE
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
"""What makes a folder a sweep; fetched when all else is there."""


class MirrorConflictError(ValueError):
    """A sweep that is to be fetched is here already, in another state."""


def fetch_sweep(
    address: str,
    sweep_id: str | None,
    root: Path,
    *,
    overrides: Iterable[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> SweepFolder:
    """Return the folder of a sweep below ``root``, copied there from its mirror.

    Its spec and ledger name ``root`` and ``address`` from then on. A sweep that is here already is
    left as it is where no other machine has gone on with it since. Teachers go into ``cache`` below
    ``root``.

    Args:
        address: The mirror, as ``storage.mirror`` names it.
        sweep_id: Id of the sweep, or a unique beginning of it; None takes the one there, if there
            is one alone.
        root: Storage root on this machine.
        overrides: ``dotted.path=VALUE`` settings; those that may change while a sweep is on are
            kept, such as where the data set is on this machine.
        say: Told in a few words what is done.

    Raises:
        StoreError: the mirror cannot be read.
        UnknownSweepError: it holds no such sweep.
        MirrorConflictError: the sweep is here too, and another machine has gone on with it.
    """
    store = ObjectStore(address)
    found = match_sweep(_sweeps(store), sweep_id, where=store.address)
    folder = SweepFolder(Path(root), found)
    if folder.spec.exists():
        _refuse_older(store, folder)
        say(f"sweep {found} is here already")
        return folder
    base = f"{SWEEPS}/{found}"
    names = store.files(base).keys() - {OWNER, *_LAST}
    say(f"fetching sweep {found}: {len(names)} files")
    _copy(store, base, names, folder.path)
    _copy(store, TEACHERS, store.files(TEACHERS), folder.root / "cache" / TEACHERS)
    for beside in ("-wal", "-shm"):  # of a fetch that was cut off
        folder.ledger.with_name(LEDGER + beside).unlink(missing_ok=True)
    store.get(f"{base}/{LEDGER}", folder.ledger)
    free = [each for each in overrides if each.partition("=")[0] in FREE]
    _move(store.address, store.read(f"{base}/{SPEC}") or b"", folder, free)
    states = mirrored_files(folder)
    Record(
        address=store.address,
        driver=_owner(store, found),
        files={f"{base}/{name}": state for name, state in states.items() if name != SPEC},
    ).save(folder)
    return folder


def _sweeps(store: ObjectStore) -> list[str]:
    """Return the sweeps that can be gone on with, by id."""
    found = [name for name in store.folders(SWEEPS) if store.has(f"{SWEEPS}/{name}/{LEDGER}")]
    if not found:
        raise UnknownSweepError(
            f"there is no sweep at {store.address}; it must be what storage.mirror was"
        )
    return found


def _copy(store: ObjectStore, base: str, names: Iterable[str], folder: Path) -> None:
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        list(pool.map(lambda name: store.get(f"{base}/{name}", folder / name), names))


def _move(address: str, text: bytes, folder: SweepFolder, overrides: Iterable[str]) -> None:
    """Have spec and ledger name the places of this machine."""
    draft = folder.spec.with_name(f".{SPEC}")
    write_atomically(draft, text)
    root = json.dumps(str(folder.root.absolute()))
    here = [f"storage.root={root}", "storage.cache=null"]
    spec = load_spec(draft, overrides=[*here, f"storage.mirror={address}", *overrides])
    moved = dump_spec(spec)
    with Ledger(folder.ledger) as ledger:
        ledger.set_fact(KEPT_SPEC, moved)
    write_atomically(folder.spec, moved.encode())
    draft.unlink()


def _refuse_older(store: ObjectStore, folder: SweepFolder) -> None:
    record, owner = Record.load(folder), _owner(store, folder.sweep_id)
    if record is None or record.address != store.address or record.driver != owner:
        raise MirrorConflictError(
            f"sweep {folder.sweep_id} is in {folder.root} already, and another machine has gone "
            f"on with it at {store.address}; fetch it into another folder (--storage FOLDER), or "
            "go on with the one here: segsweep resume without --from"
        )


def _owner(store: ObjectStore, sweep_id: str) -> str:
    try:
        return str(json.loads(store.read(f"{SWEEPS}/{sweep_id}/{OWNER}") or b"{}").get("driver"))
    except (ValueError, AttributeError):
        return "unknown"
