"""The command line against the Jobs server of a head without uv."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.orchestrator.cli.test_run import TINY

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = "/usr/bin:/bin"
pytestmark = [
    *(pytest.mark.ray, pytest.mark.e2e, pytest.mark.long),
    pytest.mark.skipif(shutil.which("uv", path=SYSTEM) is not None, reason="the system has uv"),
]
ROOT = Path(__file__).parents[4]
HEAD = "from tests.orchestrator.submission import four_nodes as f; f.NODES.clear(); f.main()"


def segsweep(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a head that finds this Python, but nothing else of its folder."""
    python = tmp_path_factory.mktemp("bin") / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    path = os.pathsep.join([str(python.parent), SYSTEM])
    with (
        tempfile.TemporaryDirectory(prefix="no-uv-", dir="/tmp") as folder,  # short, for sockets
        subprocess.Popen(
            [sys.executable, "-c", HEAD],
            cwd=ROOT,
            env={**os.environ, "PATH": path, "RAY_TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"]
        process.stdin.close()
        process.wait(60)


def test_top_needs_no_uv_and_its_absence_is_named(address: str, tmp_path: Path) -> None:
    idle = segsweep("top", "--address", address, "--json")
    assert idle.returncode == 0, idle.stderr
    assert [node["cpus"] for node in json.loads(idle.stdout)["nodes"]] == [0]

    locked = segsweep("top", "--address", address, "--json", "--locked")
    assert locked.returncode == 2
    assert not locked.stdout
    assert "has no program 'uv' on its PATH; install uv there" in locked.stderr
    assert locked.stderr.rstrip().endswith("uv: not found")
    assert "truncated" not in locked.stderr

    sent = segsweep("submit", "--address", address, "--storage", str(tmp_path), *TINY)
    assert sent.returncode == 1
    assert re.search(r"failed \(node [\d.]+ has no program 'uv' on its PATH", sent.stderr)
    state = json.loads(segsweep("status", "--address", address, "--json").stdout)
    assert state["state"] == "failed"
    assert "install uv there" in state["message"]

    after = segsweep("top", "--address", address, "--json")  # the sweep's Python, then the nodes'
    assert after.returncode == 0, after.stderr
    assert json.loads(after.stdout)["sweeps"] == []
