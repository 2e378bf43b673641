from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.config import TrialConfig
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.cost.cache import ProfileCache
from trainables.cost.latency import LatencyMeasurement
from trainables.cost.profile import CostProfile, best_measurement
from trainables.cost.signature import cost_signature, describe_host
from trainables.lane.final_check import run_final_check
from trainables.lane.turns import TURNS, measure_by_turns
from trainables.session.local import LocalSession
from trainables.session.messages import REASON, TRIAL, UNDISTURBED, FinalCheckTask, Profiled
from trainables.training.evaluation import TrialStoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from search_spaces.domains import Value

SMALL: dict[str, Value] = {"resolution": "32x32"}
MEASURED = LatencyMeasurement(
    latency_ms=5.0,
    latency_iqr_ms=0.1,
    latency_p10_ms=4.0,
    latency_p90_ms=6.0,
    batch_size=1,
    threads=1,
    device="d",
    runtime="r",
    precision="fp32",
    channels_last=True,
    resolution="32x32",
    warmup=1,
    repeats=3,
    undisturbed=True,
)


def task(folder: Path, **configs: dict[str, Value]) -> FinalCheckTask:
    return FinalCheckTask(
        trial_id="front/latency",
        kind="latency",
        folder="",
        data=DataConfig(),
        training=TrainingConfig(),
        target=TargetConfig(warmup=0, repeats=1, rounds=1, seconds=0.3),
        cache_dir=str(folder),
        configs=configs,
        num_classes=3,
    )


def test_every_trial_is_measured_in_each_turn_and_reported(tmp_path: Path) -> None:
    turns: list[bool] = []

    class Session(LocalSession):
        @contextmanager
        def measuring(self, *, pause: bool = True) -> Iterator[None]:
            turns.append(pause)
            yield

    session = Session()
    impossible: dict[str, Value] = {"resolution": "32x32", "quantization": "ptq_int8"}
    measure_by_turns(task(tmp_path, one=dict(SMALL), two=dict(SMALL), three=impossible), session)
    assert turns == [True] * 2 * TURNS
    messages = [message for message in session.messages if isinstance(message, Profiled)]
    found = {message.details[TRIAL]: message for message in messages}
    assert set(found) == {"one", "two", "three"}
    assert found["one"].metrics["latency_ms"] > 0
    assert found["one"].metrics[UNDISTURBED] in {0.0, 1.0}
    assert "flops" not in found["one"].metrics
    assert "ptq_int8: torch-cpu times float models only" in str(found["three"].details[REASON])
    assert all(message.trial_id == "front/latency" for message in messages)


def test_a_sound_figure_replaces_the_one_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = task(tmp_path, one=dict(SMALL))
    monkeypatch.setattr("trainables.lane.turns.best_measurement", lambda _: MEASURED)
    config = TrialConfig.from_mapping(SMALL)
    signature = cost_signature(config, 3, work.target, describe_host(work.target))
    cache = ProfileCache(tmp_path / "profiles")
    wrong = replace(MEASURED, latency_ms=416.0)
    cache.put(signature, CostProfile(params=1, macs=1, flops=2, latency=wrong))
    measure_by_turns(work, LocalSession())
    kept = cache.get(signature)
    assert kept is not None
    assert kept.latency == MEASURED


def test_a_stop_ends_the_measuring(tmp_path: Path) -> None:
    with pytest.raises(TrialStoppedError):
        measure_by_turns(task(tmp_path, one=dict(SMALL)), LocalSession(stop=lambda: True))


def test_the_median_of_the_sound_measurements_counts_else_the_smallest() -> None:
    def at(ms: float, *, sound: bool) -> LatencyMeasurement:
        return replace(MEASURED, latency_ms=ms, undisturbed=sound)

    sound = [at(9.0, sound=True), at(5.0, sound=True), at(6.0, sound=True), at(1.0, sound=False)]
    assert best_measurement(sound).latency_ms == 6
    assert best_measurement(sound[:2]).latency_ms == 5
    assert best_measurement([at(8.0, sound=False), at(7.0, sound=False)]).latency_ms == 7


def test_a_lost_device_ends_the_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    session = LocalSession()
    monkeypatch.setattr("trainables.lane.turns.timed_network", lost)
    with pytest.raises(torch.AcceleratorError, match="launch failure"):
        measure_by_turns(task(tmp_path, one=dict(SMALL)), session)
    assert session.messages == []


def test_memory_is_not_freed_on_a_lost_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    freed: list[bool] = []
    monkeypatch.setattr("trainables.lane.final_check.measure_by_turns", lost)
    monkeypatch.setattr("trainables.lane.final_check.release_memory", lambda: freed.append(True))
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        run_final_check(task(tmp_path, one=dict(SMALL)), LocalSession())
    assert not freed
