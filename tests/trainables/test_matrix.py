"""Every architecture, pruning, quantization and target of the space, on tiny inputs.

By default every pair of pruning, quantization and target occurs in some trial of the cheapest
architecture, and every architecture is run once; with ``SEGSWEEP_FULL_MATRIX=1`` every combination
is run (about an hour on two cores).
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest

from search_spaces.config import TrialConfig, find_faults
from search_spaces.vocabulary import (
    ARCHS,
    BUILTIN_ARCHS,
    IMPLEMENTED_PRUNING,
    IMPLEMENTED_QUANTIZATION,
    SMALLEST_SIDES,
)
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.cost.targets import RUNS
from trainables.session.local import LocalSession
from trainables.session.messages import TrialTask
from trainables.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.long]

FULL = os.environ.get("SEGSWEEP_FULL_MATRIX") == "1"
CHEAPEST = "lraspp"
Case: TypeAlias = "tuple[str, str, str, str]"


def sound(case: Case) -> bool:
    """Whether the combination is in the space, and its target runs here."""
    arch, pruning, quantization, target = case
    return (
        not find_faults(settings(arch, pruning, quantization))
        and quantization in RUNS[target]
        and target != "torch-cuda"
    )


def settings(arch: str, pruning: str, quantization: str) -> dict[str, object]:
    found: dict[str, object] = {
        "arch": arch,
        "backbone": "mobilenet_v3_small",
        "resolution": str(SMALLEST_SIDES.get(arch, 32)),
        "batch_size": 4,
        "pruning": pruning,
        "quantization": quantization,
    }
    return found | ({"width": 0.35} if arch in BUILTIN_ARCHS else {})


def combinations() -> list[Case]:
    return [
        case
        for case in itertools.product(ARCHS, IMPLEMENTED_PRUNING, IMPLEMENTED_QUANTIZATION, RUNS)
        if sound(case)
    ]


def chosen() -> list[Case]:
    """Return what is run: all combinations, or few that are quick."""
    if FULL:
        return combinations()
    cheap = [case for case in combinations() if case[0] == CHEAPEST]
    plain = [(arch, "none", "none", "torch-cpu") for arch in BUILTIN_ARCHS if arch != CHEAPEST]
    return pairwise(cheap) + plain


def pairs(case: Case) -> set[tuple[tuple[int, str], ...]]:
    return set(itertools.combinations(enumerate(case), 2))


def pairwise(cases: list[Case]) -> list[Case]:
    """Return some of the cases in which every pair of values of all of them occurs."""
    left = set[tuple[tuple[int, str], ...]]().union(*map(pairs, cases))
    some = []
    while left:
        best = max(cases, key=lambda case: len(pairs(case) & left))
        some.append(best)
        left -= pairs(best)
    return some


def test_the_cases_hold_every_pair_of_the_cheapest_and_every_architecture() -> None:
    every = [case for case in combinations() if case[0] == CHEAPEST]
    wanted, found = (set().union(*map(pairs, cases)) for cases in (every, chosen()))
    assert wanted <= found
    assert {case[0] for case in chosen()} >= set(BUILTIN_ARCHS)


@pytest.mark.parametrize("case", chosen(), ids="-".join)
def test_every_configuration_of_the_space_trains(
    case: Case, tiny_data: DataConfig, tiny_cache: Path, tmp_path: Path
) -> None:
    arch, pruning, quantization, target = case
    config = TrialConfig.from_mapping(settings(arch, pruning, quantization))
    task = TrialTask(
        sweep_id="matrix",
        trial_id="t0",
        config=config.to_mapping(),
        seed=0,
        epochs=2,
        data=tiny_data,
        training=TrainingConfig(threads=1, sample_images=0),
        target=TargetConfig(
            name=target,  # type: ignore[arg-type]
            repeats=2,
            warmup=1,
            command=f"{sys.executable} -c print(1.5) {{artifact}}" if target == "command" else None,
            artifact="pt2",
        ),
        cache_dir=str(tiny_cache),
        output_dir=str(tmp_path),
    )
    done = run_trial(task, LocalSession())
    assert (done.state, done.reason) == ("complete", "")
    assert done.metrics["latency_ms"] > 0
    assert 0 <= done.metrics["miou"] <= 1
    assert ("float_miou" in done.metrics) == (quantization != "none")
    assert ("sparsity" in done.metrics) == (pruning == "unstructured")
