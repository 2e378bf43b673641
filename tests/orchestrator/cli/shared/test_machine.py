from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.shared import machine
from orchestrator.cli.shared.machine import MachineFacts, examine, loopback_address, problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.orchestrator.cli.conftest import Outcome

GIB = 2**30
GOOD = MachineFacts(
    python="3.11.9",
    packages={"torch": "2.15.0"},
    missing=(),
    optional=(
        "torchao 1",
        "executorch 1",
        "torch-pruning 1",
        "onnxruntime 1",
        "psycopg 1",
    ),
    cpus=8,
    memory_total=64 * GIB,
    memory_free=32 * GIB,
    gpus=("H200 (141 GB)",),
    cuda="ready",
    storage="/runs",
    storage_writable=True,
    disk_free=100 * GIB,
    shared_memory=16 * GIB,
    lanes=1,
    ray_address=None,
    tracking="sqlite:////runs/mlflow.db",
)


def test_a_good_machine_has_no_problem() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words", "fatal"),
    [
        ({"missing": ("ray",)}, "ray is not installed", True),
        ({"storage_writable": False}, "SEGSWEEP_STORAGE", True),
        ({"temporary_fault": "set RAY_TMPDIR to a folder"}, "RAY_TMPDIR", True),
        ({"disk_free": GIB}, "5 GiB", False),
        ({"memory_free": GIB}, "memory", False),
        ({"shared_memory": 64 * 2**20}, "object store", False),
        ({"gpus": ()}, "CPU", False),
        ({"cuda": "driver too old"}, "driver too old", False),
        ({"optional": GOOD.optional[1:]}, "torchao", False),
        ({"mig_devices": {1: ()}}, "GPU 1 is in MIG mode without MIG devices", False),
        (
            {"mig_devices": {0: ("MIG-a", "MIG-b")}},
            "CUDA_VISIBLE_DEVICES=MIG-a,MIG-b ray start --num-gpus=2",
            False,
        ),
        ({"exclusive_gpus": (0, 2)}, "GPU 0, 2 admits one process at a time", False),
        ({"loopback": "127.0.1.1"}, "need GLOO_SOCKET_IFNAME=INTERFACE", False),
    ],
)
def test_scarce_resources_are_reported(
    change: dict[str, object], words: str, *, fatal: bool
) -> None:
    (problem,) = problems(replace(GOOD, **change))  # type: ignore[arg-type]
    assert words in problem.text
    assert problem.fatal is fatal


@pytest.mark.parametrize(
    "change",
    [
        {"mig_devices": {0: ("MIG-a",)}, "visible_devices": "MIG-a"},
        {"exclusive_gpus": (0,), "mps": True},
    ],
)
def test_shared_gpus_that_are_set_up_have_no_problem(change: dict[str, object]) -> None:
    assert problems(replace(GOOD, **change)) == []  # type: ignore[arg-type]


def _unknown_host(_: str) -> str:
    raise socket.gaierror


def test_a_host_name_that_resolves_to_loopback_is_found() -> None:
    assert loopback_address(lambda: "node", lambda _: "127.0.1.1") == "127.0.1.1"
    assert loopback_address(lambda: "node", lambda _: "10.0.0.7") is None
    assert loopback_address(lambda: "node", _unknown_host) is None


def test_a_set_interface_of_gloo_needs_no_host_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "loopback_address", lambda: "127.0.1.1")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    assert examine(str(tmp_path)).loopback == "127.0.1.1"
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
    assert examine(str(tmp_path)).loopback is None


def test_the_control_pipe_of_mps_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert not examine(str(tmp_path)).mps
    (tmp_path / "control").touch()
    assert examine(str(tmp_path)).mps


def test_this_machine_runs_sweeps(tmp_path: Path) -> None:
    facts = examine(str(tmp_path / "not" / "yet"))
    assert not [problem for problem in problems(facts) if problem.fatal]
    assert facts.cpus >= 1
    assert facts.lanes >= 1
    assert 0 < facts.memory_free <= facts.memory_total
    assert not (tmp_path / "not").exists()


def test_text_and_json_have_the_same_facts(segsweep: Callable[..., Outcome]) -> None:
    as_json = segsweep("doctor", "--json")
    assert as_json.code == 0
    facts = json.loads(as_json.out)
    text = segsweep("doctor").out
    assert facts["packages"]["torch"] in text
    assert all(problem in text for problem in facts["problems"])
