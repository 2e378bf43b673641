from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.shared.errors import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.orchestrator.cli.conftest import Outcome

MODULE = """
import numpy as np
from search_spaces.domains import LogFloat, LogInt
from search_spaces.space import SearchSpace

class Toy:
    space = SearchSpace.of(rate=LogFloat(1e-4, 1.0), width=LogInt(8, 512))
    objectives = {"error": "minimize", "params": "minimize"}
    max_epochs = 9
    reference_point = {"error": 1.0, "params": 600.0}
    full_training_seconds = 90.0

    def known(self, config):
        return {"params": float(config["width"])}

    def curve(self, config, seed):
        final = abs(np.log10(config["rate"]) + 2) / 4 + 1 / config["width"]
        return final + 0.4 / np.arange(1, 10), 10.0 * np.arange(1, 10)

class Short(Toy):
    def curve(self, config, seed):
        return [1.0], [1.0]

class Falling(Toy):
    def curve(self, config, seed):
        return np.ones(9), -np.arange(1, 10)

class Secretive(Toy):
    def known(self, config):
        return {}

class Interrupted(Toy):
    trials = 0

    def curve(self, config, seed):
        self.trials += 1
        if self.trials == 4:
            raise KeyboardInterrupt
        return super().curve(config, seed)
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_benchmarks.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "toy_benchmarks", raising=False)


@pytest.mark.slow
def test_sweeps_in_processes_of_their_own_are_those_of_one_process(
    segsweep: Callable[..., Outcome],
) -> None:
    command = ("simulate", "--benchmark", "toy_benchmarks:Toy", "--seeds", "3", "--budget", "3")
    one, two = (segsweep(*command, "--json", "--jobs", jobs) for jobs in ("1", "2"))
    assert (one.code, two.code) == (0, 0)
    assert one == two
    assert [f"seed {seed}" for seed in range(3)] == [
        line.partition(":")[0] for line in two.err.splitlines()[:3]
    ]
    assert len(json.loads(two.out)["seeds"]) == 3


def test_a_simulation_of_the_defaults_names_one_to_hold_it_against(
    segsweep: Callable[..., Outcome],
) -> None:
    command = ("simulate", "--benchmark", "toy_benchmarks:Toy", "--seeds", "1", "--budget", "1.5")
    *_, last = segsweep(*command, "--jobs", "1").err.splitlines()
    assert last == (
        "compare with another method: segsweep simulate --searcher random --scheduler asha "
        "--benchmark toy_benchmarks:Toy --workers 8 --budget 1.5 --seeds 1"
    )
    other = segsweep(*last.partition(": segsweep ")[2].split())
    assert other.code == 0
    assert "compare with" not in other.err


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("Short", "two arrays of max_epochs = 9"),
        ("Falling", "seconds that never fall"),
        ("Secretive", "params is missing for"),
    ],
)
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_benchmark_that_breaks_its_protocol_is_the_users_to_mend(
    segsweep: Callable[..., Outcome], attribute: str, message: str, jobs: str
) -> None:
    refused = segsweep(
        "simulate", "--benchmark", f"toy_benchmarks:{attribute}", "--seeds", "2", "--jobs", jobs
    )
    assert refused.code == 2
    assert message in refused.err
    assert "unexpected" not in refused.err


def test_all_faults_of_the_options_are_named_at_once(segsweep: Callable[..., Outcome]) -> None:
    refused = segsweep(
        "simulate", "--benchmark", "toy_benchmarks:Gone", "--searcher", "nope", "--budget", "-1"
    )
    assert refused.code == 2
    for fault in ("has no 'Gone'", "unknown searcher 'nope'", "must be above 0 full"):
        assert fault in refused.err


def test_an_interruption_loses_no_sweep_that_was_simulated(
    segsweep: Callable[..., Outcome],
) -> None:
    ended = segsweep(
        *("simulate", "--benchmark", "toy_benchmarks:Interrupted", "--json", "--jobs", "1"),
        *("--workers", "1", "--budget", "1", "--searcher", "random", "--scheduler", "none"),
    )
    assert ended.code == INTERRUPTED
    done = len(json.loads(ended.out)["seeds"])
    assert 1 <= done < 4
    assert ended.err.endswith(f"{done} of 10 sweeps were simulated\ninterrupted\n")
