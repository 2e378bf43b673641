from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.profile import read_profile_settings
from orchestrator.spec.text import SpecError
from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TargetConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.orchestrator.cli.conftest import Outcome

SMALL = ("--set", "resolution=64", "--set", "num_classes=3")


def test_settings_are_configuration_classes_target() -> None:
    config, classes, target = read_profile_settings(
        ["resolution=[64, 96]", "num_classes=5", "target.threads=2", "learning_rate=1e-4"]
    )
    assert config == TrialConfig(resolution=Resolution(64, 96), learning_rate=1e-4)
    assert (classes, target) == (5, TargetConfig(threads=2))


def test_all_faults_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        read_profile_settings(["arch=unet", "num_classes=0", "target.name=tpu", "bakcbone=x"])
    assert {fault.path for fault in caught.value.faults} == {
        "arch",
        "num_classes",
        "target.name",
        "bakcbone",
    }


def test_json_without_a_forward_pass(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("profile", *SMALL, "--no-latency", "--json")
    assert outcome.code == 0
    cost = json.loads(outcome.out)
    assert cost["flops"] == 2 * cost["macs"]
    assert cost["params"] > 0
    assert "latency_ms" not in cost
    assert cost["measured"] is None


def test_latency_comes_with_the_settings_of_its_measurement(
    segsweep: Callable[..., Outcome],
) -> None:
    outcome = segsweep(
        "profile", *SMALL, "--json", "--set", "target={repeats: 2, warmup: 0, rounds: 1}"
    )
    cost = json.loads(outcome.out)
    assert cost["latency_ms"] > 0
    assert cost["measured"]["repeats"] >= 2
    assert cost["measured"]["undisturbed"] is not bool(cost["measured"]["disturbance"])
    assert cost["latency_undisturbed"] == float(cost["measured"]["undisturbed"])
    assert {"device", "runtime", "threads", "precision", "batch_size"} <= set(cost["measured"])


def test_text_shows_the_same_figures(segsweep: Callable[..., Outcome]) -> None:
    cost = json.loads(segsweep("profile", *SMALL, "--no-latency", "--json").out)
    text = segsweep("profile", *SMALL, "--no-latency").out
    for name in ("params", "macs", "flops"):
        assert f"{cost[name]:,}" in text


def test_bad_input_is_the_users_fault(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("profile", "--set", "target.threads=0", "--set", "resolution=65")
    assert outcome.code == 2
    assert outcome.out == ""
    assert "2 faults" in outcome.err


def test_a_target_that_is_not_here_is_the_users_fault(segsweep: Callable[..., Outcome]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    outcome = segsweep("profile", *SMALL, "--set", "target.name=torch-cuda")
    assert outcome.code == 2
    assert "CUDA" in outcome.err
