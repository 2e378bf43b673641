"""A sweep on a cluster of four nodes, through the real Jobs server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from orchestrator.ledger.folders import find_sweep
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from tests.orchestrator.cli.test_run import TINY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.ledger.records import SweepRecords

pytestmark = [pytest.mark.ray, pytest.mark.e2e, pytest.mark.long]
TOKEN = "0123456789abcdef" * 3
TRIALS = 5
PATIENCE = 400.0
ROOT = Path(__file__).parents[4]
UV = shutil.which("uv") or shutil.which("uv", path=ROOT / ".tools" / "bin")


@dataclass
class FourNodes:
    address: str
    said: IO[str]
    told: IO[str]
    environment: dict[str, str]

    def tell(self, line: str) -> None:
        self.told.write(f"{line}\n")
        self.told.flush()
        assert self.said.readline() == "done\n"

    def segsweep(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator.cli.main", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def _bare_tools(tmp_path_factory: pytest.TempPathFactory, uv: str) -> Path:
    """Return a folder with uv and a Python without packages, which uv finds by its version alone.

    Both alone: beside uv there may be a Python of its environment, which lacks ours.
    """
    folder = tmp_path_factory.mktemp("bare")
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / name).symlink_to(Path(sys.base_prefix) / "bin" / name)
    (folder / "uv").symlink_to(Path(uv).resolve())
    return folder


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FourNodes]:
    """Start the nodes in a process of their own, where tokens are asked for."""
    tools = [] if UV is None else [str(_bare_tools(tmp_path_factory, UV))]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([*tools, str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    environment.pop("RAY_ADDRESS", None)
    with (
        tempfile.TemporaryDirectory(prefix="four-", dir="/tmp") as folder,  # short, for sockets
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("four_nodes.py"))],
            env={**environment, "RAY_TMPDIR": folder},  # else another cluster here is found
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        yield FourNodes(
            address=address,
            said=process.stdout,
            told=process.stdin,
            environment={**environment, "RAY_API_SERVER_ADDRESS": address},
        )
        process.stdin.close()
        process.wait(60)


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.5)


def records(root: Path) -> SweepRecords:
    with Ledger(find_sweep(root).ledger) as ledger:
        return fold(event for _, event in ledger.events())


def begun(root: Path) -> int:
    return len(records(root).trials) if list(root.glob("sweeps/*/ledger.db")) else 0


def epochs(root: Path) -> int:
    if not list(root.glob("sweeps/*/ledger.db")):
        return 0
    return sum(len(trial.history) for trial in records(root).trials)


def test_a_wrong_token_is_reported_and_never_printed(nodes: FourNodes) -> None:
    wrong = FourNodes(
        nodes.address, nodes.said, nodes.told, {**nodes.environment, "RAY_AUTH_TOKEN": "f" * 40}
    )
    answer = wrong.segsweep("status")
    assert answer.returncode == 2
    assert "requires a token" in answer.stderr
    assert "f" * 40 not in answer.stderr + answer.stdout


def test_a_sweep_outlives_its_sender_a_stop_and_a_node(nodes: FourNodes, tmp_path: Path) -> None:
    settings = (
        f"budget.trials={TRIALS}",
        "budget.epochs=1",
        "resources.node_labels={kind: train}",
        "artifacts.trials=none",
    )
    sent = nodes.segsweep(
        *("submit", "--name", "night", "--installed", "--detach", "--storage", str(tmp_path)),
        *(*TINY, *(word for setting in settings for word in ("--set", setting))),
    )
    assert sent.returncode == 0, sent.stderr
    assert TOKEN not in sent.stdout + sent.stderr
    until(lambda: find_running(nodes) == "running")
    until(lambda: epochs(tmp_path) > 0)
    assert "epoch 1/1" in nodes.segsweep("logs").stdout

    stopped = nodes.segsweep("stop", "--json")
    assert json.loads(stopped.stdout)["state"] == "stopped"
    assert begun(tmp_path) < TRIALS

    sweep_id = find_sweep(tmp_path).sweep_id
    again = nodes.segsweep("submit", "--resume", sweep_id, "--detach")  # --installed as before
    assert again.returncode == 0, again.stderr
    before = epochs(tmp_path)
    until(lambda: epochs(tmp_path) > before)
    seen = nodes.segsweep("top", "--json")
    assert seen.returncode == 0, seen.stderr
    (sweep,) = json.loads(seen.stdout)["sweeps"]
    assert sweep["sweep_id"] == sweep_id
    assert {lane["lane"] for lane in sweep["lanes"]} <= {"lane0", "lane1"}
    known = {None, *(trial.trial_id for trial in records(tmp_path).trials)}
    assert {lane["trial"] for lane in sweep["lanes"]} <= known  # between two trials none runs
    nodes.tell("kill first")
    nodes.tell("add third 1 train")
    until(lambda: find_running(nodes) not in {"pending", "running"})
    assert find_running(nodes) == "succeeded", nodes.segsweep("logs").stdout
    found = records(tmp_path)
    assert [trial.state for trial in found.trials] == ["complete"] * TRIALS
    listed = json.loads(nodes.segsweep("list", "--address", nodes.address, "--json").stdout)
    assert [row["state"] for row in listed] == ["succeeded", "stopped"]
    hint = nodes.segsweep("list", "--address", nodes.address).stderr.splitlines()[-1]
    assert hint.endswith(f"segsweep status {sweep_id} --address {nodes.address}")

    def cpus() -> list[float]:
        said = nodes.segsweep("doctor", "--address", nodes.address, "--json").stdout
        return sorted(node["cpus"] for node in json.loads(said)["nodes"])

    until(lambda: cpus() == [0, 1, 1, 2])  # Ray takes a while to miss the node that was killed
    assert {row["sweep_id"] for row in listed} == {sweep_id}


def find_running(nodes: FourNodes) -> str:
    answer = nodes.segsweep("status", "--json")
    assert answer.returncode == 0, answer.stderr
    return str(json.loads(answer.stdout)["state"])


@pytest.mark.skipif(UV is None, reason="needs uv, which fills the cluster's environment")
def test_the_locked_environment_is_made_on_the_cluster(nodes: FourNodes, tmp_path: Path) -> None:
    one = ("budget.trials=1", "artifacts.trials=none", "resources.lanes=1")
    sent = nodes.segsweep(
        *("submit", "--name", "locked", "--detach", "--storage", str(tmp_path)),
        *(*TINY, *(word for setting in one for word in ("--set", setting))),
    )
    assert sent.returncode == 0, sent.stderr
    assert "locked, by uv" in sent.stdout
    until(lambda: find_running(nodes) not in {"pending", "running"})
    assert find_running(nodes) == "succeeded", nodes.segsweep("logs").stdout
    assert [trial.state for trial in records(tmp_path).trials] == ["complete"]
