from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.shared.machine import MachineFacts, examine, problems

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
    ],
)
def test_scarce_resources_are_reported(
    change: dict[str, object], words: str, *, fatal: bool
) -> None:
    (problem,) = problems(replace(GOOD, **change))  # type: ignore[arg-type]
    assert words in problem.text
    assert problem.fatal is fatal


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
