"""Ablation of the trials of a front."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.ablation import (
    ablate,
    needed_references,
    read_reference_costs,
    stages_of,
)
from search_spaces.config import TrialConfig
from trainables.models.shape import shape_key

PRUNED = {"pruning": "structured", "pruning_ratio": 0.5, "pruning_when": "halfway"}


def trial(number: int, metrics: dict[str, float], **config: Any) -> TrialRecord:
    return TrialRecord(
        trial_id=f"t{number}",
        number=number,
        state="complete",
        config={"arch": "lraspp", **config},
        metrics={"macs": 4e9, "bops": 1e9, "latency_ms": 2.0, "size_mb": 1.0, **metrics},
        history=tuple((epoch, {"miou": epoch / 10}) for epoch in range(1, 7)),
    )


@given(
    quantization=st.sampled_from(["none", "fp16", "ptq_int8", "qat_int8"]),
    pruning=st.sampled_from(["none", "structured", "unstructured"]),
)
def test_stages_go_from_no_compression_to_all_of_it(quantization: str, pruning: str) -> None:
    config = TrialConfig.from_mapping({"quantization": quantization, "pruning": pruning})
    found = stages_of(config)
    assert (found[0].quantization, found[0].pruning) == ("none", "none")
    assert found[-1] == config
    assert len(found) == 1 + (quantization != "none") + (pruning != "none")
    assert len(needed_references([config.to_mapping()])) <= len(found) - 1


def test_each_step_says_what_it_changed() -> None:
    small = trial(0, {"miou": 0.40, "float_miou": 0.41}, quantization="ptq_int8", **PRUNED)
    plain = TrialConfig.from_mapping({"arch": "lraspp"})
    pruned = replace(TrialConfig.from_mapping(small.config), quantization="none")
    costs = {
        shape_key(plain): {"macs": 16e9, "latency_ms": 9.0, "size_mb": 10.0},
        shape_key(pruned): {"macs": 4e9, "latency_ms": 3.0, "size_mb": 4.0},
    }
    (found,) = ablate([small], ["t0"], costs)
    assert [step.name for step in found.steps] == ["uncompressed", "structured 50 %", "ptq_int8"]
    assert found.change(1, "macs") == 0.25
    assert found.change(2, "miou") == pytest.approx(-0.01)
    assert found.change(2, "size_mb") == 0.25
    assert found.change(1, "bops") is None
    assert found.steps[0].figures["miou"] == 0.3
    assert found.steps[0].source == "before its pruning, epoch 3"


def test_the_same_trial_without_pruning_is_what_a_pruned_one_is_compared_with() -> None:
    small = trial(0, {"miou": 0.40}, **PRUNED)
    int8 = trial(1, {"miou": 0.50, "float_miou": 0.52}, quantization="ptq_int8")
    other = trial(2, {"miou": 0.9}, learning_rate=0.5)
    (found,) = ablate([small, int8, other], ["t0"], {})
    assert found.steps[0].figures["miou"] == 0.52
    assert found.steps[0].source == "trial t1"
    assert found.steps[0].figures["latency_ms"] is None


def test_what_is_not_compressed_has_no_ablation() -> None:
    assert ablate([trial(0, {"miou": 0.5})], ["t0"], {}) == ()


@pytest.mark.parametrize("fact", [None, 3, [1], {"a": 1}, {"a": {"macs": "many"}}])
def test_a_torn_fact_holds_no_costs(fact: object) -> None:
    assert not any(read_reference_costs(fact).values())
