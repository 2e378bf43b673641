"""The append-only log of a sweep's events, from which all other state is rebuilt, and its clock."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from orchestrator.ledger.events import decode, encode
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.ledger.events import SweepEvent


_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, payload TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Journal(Protocol):
    """Where events are recorded: the ledger on disk, or a list in a simulation."""

    def append(self, event: SweepEvent, /) -> object:
        """Record ``event``; it is durable when this returns."""


class LedgerError(Exception):
    """The ledger cannot be read or written."""


class Ledger:
    """Events of one sweep in an SQLite file; every ``append`` is on disk when it returns.

    One process writes, any number read. Threads of one process may share it.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, check_same_thread=False, timeout=30)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"cannot open the ledger {self.path}: {error}") from error

    def append(self, event: SweepEvent) -> int:
        """Write ``event`` and return its sequence number, from 1.

        Raises:
            LedgerError: the file cannot be written (a full disk, a read-only folder).
        """
        kind, payload = encode(event)
        payload = redact(payload)
        try:
            with self._lock, self._connection:
                cursor = self._connection.execute(
                    "INSERT INTO events (kind, payload) VALUES (?, ?)", (kind, payload)
                )
        except sqlite3.Error as error:
            raise LedgerError(f"cannot write the ledger {self.path}: {error}") from error
        return int(cursor.lastrowid or 0)

    def events(self, after: int = 0) -> Iterator[tuple[int, SweepEvent]]:
        """Yield ``(sequence number, event)`` of every event after number ``after``, in order."""
        while True:
            with self._lock:
                rows = self._connection.execute(
                    "SELECT seq, kind, payload FROM events WHERE seq > ? ORDER BY seq LIMIT 1000",
                    (after,),
                ).fetchall()
            if not rows:
                return
            for seq, kind, payload in rows:
                yield int(seq), decode(kind, payload)
            after = int(rows[-1][0])

    def set_fact(self, name: str, value: object) -> None:
        """Store a JSON value under ``name``; replace an earlier one."""
        try:
            with self._lock, self._connection:
                self._connection.execute(
                    "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)",
                    (name, redact(json.dumps(value))),
                )
        except sqlite3.Error as error:
            raise LedgerError(f"cannot write the ledger {self.path}: {error}") from error

    def fact(self, name: str) -> object:
        """Return the value stored under ``name``; None without one."""
        with self._lock:
            row = self._connection.execute(
                "SELECT value FROM facts WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def copy_to(self, path: Path) -> None:
        """Write a consistent snapshot of the ledger to a new file.

        Events may be appended meanwhile, without waiting.

        Raises:
            LedgerError: one of the two files cannot be read or written.
        """
        try:
            with (
                closing(sqlite3.connect(self.path, timeout=30)) as source,
                closing(sqlite3.connect(path)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise LedgerError(f"cannot copy the ledger {self.path}: {error}") from error

    def close(self) -> None:
        """Close the file; a closed ledger accepts no events."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


BEGUN = "begun"
"""Fact of a ledger: start of the sweep, seconds since 1970."""


def sweep_start(ledger: Ledger) -> float:
    """Return the recorded start of the sweep, seconds since 1970; record now for a new one."""
    start = ledger.fact(BEGUN)
    if isinstance(start, float):
        return start
    now = time.time()
    ledger.set_fact(BEGUN, now)
    return now


class SweepClock:
    """Seconds since the sweep started, unaffected by changes of the wall clock.

    It reads the wall clock once, at the driver's start, and then the monotonic clock.
    """

    def __init__(
        self,
        begun: float,
        *,
        at_least: float = 0.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start from the wall clock.

        Args:
            begun: Start of the sweep, seconds since 1970.
            at_least: Time of the sweep's last event, seconds; the clock starts no earlier.
            wall: Returns the time, seconds since 1970.
            monotonic: Returns seconds since any moment; never decreases.
        """
        self._monotonic = monotonic
        self._start = max(wall() - begun, at_least)
        self._since = monotonic()

    def __call__(self) -> float:
        """Return the seconds since the sweep started, >= ``at_least``."""
        return self._start + self._monotonic() - self._since


def sweep_clock(ledger: Ledger) -> SweepClock:
    """Return the clock of the sweep, which is never behind its last event."""
    last = max((event.seconds for _, event in ledger.events()), default=0.0)
    return SweepClock(sweep_start(ledger), at_least=last)
