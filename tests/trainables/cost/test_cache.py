from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from trainables.cost.cache import ProfileCache
from trainables.cost.latency import LatencyMeasurement
from trainables.cost.profile import CostProfile

if TYPE_CHECKING:
    from pathlib import Path

FORK = multiprocessing.get_context("fork")
LATENCY = LatencyMeasurement(
    latency_ms=1.5,
    latency_iqr_ms=0.1,
    latency_p10_ms=1.4,
    latency_p90_ms=1.7,
    batch_size=1,
    threads=1,
    device="a processor",
    runtime="torch 2.15.0",
    precision="fp32",
    channels_last=True,
    resolution="96x128",
    warmup=3,
    repeats=15,
    undisturbed=True,
)
PROFILE = CostProfile(params=10, macs=20, flops=40, latency=LATENCY)


@pytest.mark.parametrize("profile", [PROFILE, CostProfile(params=1, macs=2, flops=4)])
def test_a_stored_profile_is_read_back(tmp_path: Path, profile: CostProfile) -> None:
    cache = ProfileCache(tmp_path / "profiles")
    assert cache.get("a") is None
    cache.put("a", profile)
    assert ProfileCache(tmp_path / "profiles").get("a") == profile
    assert cache.get("b") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"params": 1, "colour": 2}', "\x80"])
def test_a_torn_file_is_replaced(tmp_path: Path, text: str) -> None:
    cache = ProfileCache(tmp_path)
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    assert cache.get("a") is None
    assert cache.get_or_make("a", lambda: PROFILE) == PROFILE
    assert cache.get("a") == PROFILE


def test_a_stored_profile_is_not_made_again(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path)
    calls = []

    def make() -> CostProfile:
        calls.append(1)
        return PROFILE

    assert cache.get_or_make("a", make) == cache.get_or_make("a", make)
    assert len(calls) == 1
    assert {file.suffix for file in tmp_path.iterdir()} <= {".json", ".lock"}


def test_a_disturbed_measurement_is_not_stored(tmp_path: Path) -> None:
    cache = ProfileCache(tmp_path)
    loud = replace(PROFILE, latency=replace(LATENCY, undisturbed=False, disturbance="load"))
    assert cache.get_or_make("a", lambda: loud) == loud
    assert cache.get("a") is None
    assert cache.get_or_make("a", lambda: PROFILE) == PROFILE


def test_concurrent_processes_make_a_profile_once(tmp_path: Path) -> None:
    folder, log = tmp_path / "profiles", tmp_path / "log"

    def make() -> CostProfile:
        with log.open("a", encoding="ascii") as file:
            file.write("made\n")
        time.sleep(0.05)
        return PROFILE

    def ask() -> None:
        assert ProfileCache(folder).get_or_make("a", make) == PROFILE

    children = [FORK.Process(target=ask) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(20)
    assert [child.exitcode for child in children] == [0] * 4
    assert log.read_text(encoding="ascii") == "made\n"
