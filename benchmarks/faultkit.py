"""Sweeps as processes of their own, to be killed and looked into."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MARK = "SEGSWEEP_FAULTS_MARK"
"""Environment variable by which all processes of one experiment are known."""
SETTINGS = {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
"""Environment of all experiments; Ray's workers would wait for whatever else the machine does."""
_SHARED = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is


def tiny_spec(storage: Path, **sections: Mapping[str, object]) -> dict[str, object]:
    """Return the settings of a sweep whose trials take a second or two."""
    spec: dict[str, Any] = {
        "name": "faults",
        "data": {
            "format": "synthetic",
            "synthetic_train_images": 12,
            "synthetic_val_images": 4,
        },
        "space": {
            "arch": ["lraspp"],
            "backbone": ["mobilenet_v3_small"],
            "resolution": ["64x96"],
            "batch_size": [4],
            "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
            "optimizer": ["adamw", "sgd"],
        },
        "objectives": {"miou": "maximize", "latency_ms": "minimize"},
        "budget": {"trials": 4, "epochs": 4},
        "search": {"searcher": "random", "grace_period": 2, "reduction_factor": 1.5},
        "training": {"sample_images": 0, "threads": 1},
        "target": {"warmup": 1, "repeats": 3},
        "resources": {"lanes": 1},
        "artifacts": {"trials": "none"},
        "storage": {"root": str(storage)},
    }
    for name, values in sections.items():
        spec[name] = {**spec.get(name, {}), **values}
    return spec


@dataclass
class Experiment:
    """One sweep with the processes that drive it, in a folder of its own."""

    folder: Path
    """Where the sweep, its logs and its spec are."""
    settings: dict[str, object]
    """The spec."""
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    starts: int = 0
    """Drivers started so far."""

    def __post_init__(self) -> None:
        self._driver: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spec = self.folder / "faults.yaml"
        self.spec.write_text(yaml.safe_dump(self.settings), encoding="utf-8")
        storage: Any = self.settings["storage"]
        self.storage = Path(storage["root"])

    @property
    def environment(self) -> dict[str, str]:
        """Environment of all processes of the experiment.

        They have a temporary folder of their own, so that a process that is made to stand still
        does not hold up the measurements of any other sweep on this machine.
        """
        own = self.folder / "tmp"
        own.mkdir(exist_ok=True)
        ray = os.environ.get("RAY_TMPDIR", tempfile.gettempdir())  # a short path, for sockets
        places = {"TMPDIR": str(own), "RAY_TMPDIR": ray}
        return {**os.environ, MARK: self.mark, **places, **SETTINGS}

    def command(self, *words: str) -> list[str]:
        """Return the command line of a verb."""
        return [sys.executable, "-m", "orchestrator.cli.main", *words]

    def start(self, *more: str) -> None:
        """Run the sweep, or resume it where there is one."""
        begun = self.ledger() is not None
        where = ["--storage", str(self.storage)]
        words = ["resume", *where] if begun else ["run", str(self.spec), "--new"]
        log = self.log.open("ab")
        self.starts += 1
        self._driver = subprocess.Popen(
            self.command(*words, *more), env=self.environment, stdout=log, stderr=log
        )
        log.close()

    @property
    def driver(self) -> subprocess.Popen[bytes]:
        """The driver started last.

        Raises:
            RuntimeError: none was started.
        """
        if self._driver is None:
            raise RuntimeError("no driver was started")
        return self._driver

    def ended(self) -> bool:
        """Whether the driver started last is over."""
        return self.driver.poll() is not None

    @property
    def log(self) -> Path:
        """What the drivers said, one after the other."""
        return self.folder / "driver.log"

    def wait(self, timeout: float = 600.0) -> int:
        """Wait for the driver's end; return its exit code."""
        return self.driver.wait(timeout)

    def kill(self, *, everything: bool = False) -> None:
        """Kill the driver by SIGKILL, and all processes it started too, as a power cut would."""
        if everything:
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.driver.kill()
        self.driver.wait()

    def processes(self, title: str = "") -> dict[int, str]:
        """Return the living processes of the experiment whose command line holds ``title``."""
        return {pid: name for pid, name in marked(self.mark) if title in name}

    def wait_gone(self, timeout: float = 90.0) -> dict[int, str]:
        """Wait until no process of the experiment is left; return those that are."""
        wait_for(lambda: not self.processes(), timeout, must=False, every=1.0)
        return self.processes()

    def ledger(self) -> Path | None:
        """Return the ledger of the experiment's sweep; None before there is one."""
        return next(iter(sorted(self.storage.glob("sweeps/*/ledger.db"))), None)

    def count(self, kind: str = "") -> int:
        """Return how many events, or those of one kind, stand in the ledger."""
        path = self.ledger()
        if path is None:
            return 0
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
            try:
                query = "SELECT COUNT(*) FROM events WHERE kind = ? OR ? = ''"
                return int(connection.execute(query, (kind, kind)).fetchone()[0])
            finally:
                connection.close()
        return 0

    def verify(self, *more: str) -> list[str]:
        """Return what ``segsweep verify`` finds."""
        words = ("verify", "--storage", str(self.storage), "--json", *more)
        done = subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, check=False, text=True
        )
        if not done.stdout.strip():
            return [f"verify could not run: {done.stderr.strip()}"]
        return [
            f"{f['place']}: {f['subject']}: {f['message']}"
            for f in json.loads(done.stdout)["findings"]
        ]


def marked(mark: str) -> Iterable[tuple[int, str]]:
    """Yield number and command line of every living process with ``mark`` in its environment."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            yield int(entry.name), line.strip()


def orphaned_segments(before: frozenset[str]) -> list[str]:
    """Return segments of shared memory that are new since ``before`` and mapped by no process."""
    new = shared_segments() - before
    held: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            text = maps.read_text()
            held |= {name for name in new if name in text}
    return sorted(new - held)


def shared_segments() -> frozenset[str]:
    """Return the names of all segments of shared memory; folders there hold files of programs."""
    paths = _SHARED.iterdir() if _SHARED.is_dir() else ()
    return frozenset(path.name for path in paths if path.is_file())


def wait_for(
    condition: Callable[[], bool], timeout: float, *, must: bool = True, every: float = 0.1
) -> bool:
    """Wait until ``condition`` holds; return whether it does.

    Raises:
        TimeoutError: it does not in time, and ``must``.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            if must:
                raise TimeoutError(f"waited {timeout:.0f} s in vain")
            return False
        time.sleep(every)
    return True
