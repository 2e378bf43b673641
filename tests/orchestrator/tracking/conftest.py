from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.spec.objectives import Objective

_SERVANT = "nobody"
"""Who runs the database where the tests are run by root, which PostgreSQL refuses to be."""


@pytest.fixture
def info(tmp_path: Path, objectives: tuple[Objective, ...]) -> SweepInfo:
    return SweepInfo(
        sweep_id="demo-1",
        objectives=objectives,
        started_ms=1_700_000_000_000,
        trials_dir=tmp_path / "trials",
        seed=7,
        git_commit="0123abc",
        dataset_digest="d1g35t",
        versions={"torch": "2.15", "ray": "2.60"},
        spec_text="name: demo\n",
        workers_per_trial=2,
        epochs=4,
    )


def program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """Address of an empty database."""
    import psycopg
    import psycopg.sql

    name = f"sweeps_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        )
    return f"{postgres_server.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a PostgreSQL that lives as long as the tests."""
    initdb, server = program("initdb"), program("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="pip install 'segsweep[postgres]'")
    user = _SERVANT if os.geteuid() == 0 else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="segsweep-postgres-"))  # pytest's own is closed to others
    shutil.chown(folder, user)
    data, port = folder / "data", free_port()

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=folder,
            user=user if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    made = start(initdb, "-D", str(data), "-U", "sweeps", "-A", "trust", "-E", "UTF8", "-N")
    assert made.wait(120) == 0
    settings = ("-c", "fsync=off", "-c", "listen_addresses=127.0.0.1")
    running = start(server, "-D", str(data), "-p", str(port), "-k", str(folder), *settings)
    try:
        address = f"postgresql://sweeps@127.0.0.1:{port}/postgres"
        deadline = time.monotonic() + 60
        while not answers(address):
            assert time.monotonic() < deadline, "the database does not answer"
            time.sleep(0.1)
        yield address
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def answers(address: str) -> bool:
    import psycopg

    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True
