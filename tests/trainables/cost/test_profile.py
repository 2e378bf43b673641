from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TargetConfig
from trainables.cost.cache import ProfileCache
from trainables.cost.macs import static_costs
from trainables.cost.profile import CostProfile, profile_config
from trainables.cost.quiet import QuietNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = TrialConfig(resolution=Resolution(32, 32))
TARGET = TargetConfig(warmup=0, repeats=2, rounds=1)


def test_without_latency_the_costs_are_those_that_need_no_forward_pass() -> None:
    profile = profile_config(CONFIG, 5, TARGET, latency=False)
    assert profile.metrics() == static_costs(CONFIG, 5)
    assert profile.details() == {}


def test_a_profile_separates_metrics_from_details(tmp_path: Path) -> None:
    measuring = QuietNode(tmp_path / "node").measuring
    profile = profile_config(CONFIG, 5, TARGET, measuring=measuring)
    metrics, details = profile.metrics(), profile.details()
    assert metrics["latency_ms"] > 0
    assert set(metrics) & set(details) == set()
    assert isinstance(details["undisturbed"], bool)
    assert details["undisturbed"] is not bool(details["disturbance"])
    assert details["estimate"] in {"wall", "cpu"}
    assert details["resolution"] == "32x32"
    assert (details["threads"], details["batch_size"]) == (1, 1)
    assert CostProfile.from_mapping(json.loads(json.dumps(profile.to_mapping()))) == profile


def test_trainings_pause_for_the_timing_alone() -> None:
    entered = []

    @contextmanager
    def measuring(*, pause: bool = True) -> Iterator[None]:
        assert pause
        entered.append("in")
        yield
        entered.append("out")

    profile_config(CONFIG, 5, TARGET, measuring=measuring)
    assert entered == ["in", "out"]


def test_a_latency_beside_trainings_is_marked(tmp_path: Path) -> None:
    @contextmanager
    def crowded(*, pause: bool = True) -> Iterator[bool]:
        yield not pause

    profile = profile_config(CONFIG, 5, TARGET, measuring=crowded)
    assert not profile.sound
    assert profile.details()["undisturbed"] is False
    assert profile.details()["disturbance"]
    cache = ProfileCache(tmp_path)
    cache.get_or_make("a", lambda: profile)
    assert cache.get("a") is None


@pytest.mark.slow  # writes a .pt2
def test_a_command_does_not_pause_the_trainings_of_the_node(tmp_path: Path) -> None:
    script = tmp_path / "phone.py"
    script.write_text("print('4.0'); print('4.1'); print('4.0')")
    target = TargetConfig(name="command", command=f"{sys.executable} {script}", artifact="pt2")
    asked = []

    @contextmanager
    def measuring(*, pause: bool = True) -> Iterator[bool]:
        asked.append(pause)
        yield True

    profile = profile_config(CONFIG, 5, target, measuring=measuring)
    assert asked == [False]
    assert profile.metrics()["latency_ms"] == 4.0
    assert profile.details()["undisturbed"] is True


def test_a_target_times_only_what_it_runs() -> None:
    config = TrialConfig(resolution=Resolution(32, 32), quantization="ptq_int8")
    with pytest.raises(ValueError, match="ptq_int8: torch-cpu times float models only") as error:
        profile_config(config, 5, TARGET)
    assert "onnxruntime-cpu, executorch-xnnpack, command" in str(error.value)
    assert profile_config(config, 5, TARGET, latency=False).macs > 0
    half = profile_config(replace(config, quantization="fp16"), 5, TARGET)
    assert half.latency is not None
    assert half.latency.precision == "fp16"
    assert half.artifact_bytes is None


def test_the_pruned_network_is_timed() -> None:
    config = TrialConfig(resolution=Resolution(32, 32), pruning="structured", pruning_ratio=0.5)
    profile = profile_config(config, 5, TARGET)
    assert profile.metrics()["macs"] == static_costs(config, 5)["macs"]
    assert profile.latency is not None


def test_a_profile_of_an_earlier_version_can_be_read() -> None:
    old = {"params": 1, "macs": 2, "flops": 4, "latency": None}
    assert CostProfile.from_mapping(old).metrics() == {"params": 1, "macs": 2, "flops": 4}
