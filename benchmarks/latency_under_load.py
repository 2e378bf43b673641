"""Latencies of ten networks of the space, measured quiet and under load.

Usage: python benchmarks/latency_under_load.py [--load 4] [--seconds 10] [--json FILE]

Ten networks are drawn from the preset ``mobile``, spread over the FLOPs of a sample. Each is
measured with the target's defaults on the quiet machine, twice, then once beside ``--load`` busy
processes per core. A figure passes if it is within 15 % of the quiet one or marked as disturbed.
The two orders are compared with Kendall's tau. Beside ours stands the plain way: the median of 15
wall times after three warm-up passes. Run it on an idle machine: the quiet figures are only as good
as the quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from search_spaces.config import TrialConfig
from search_spaces.joint import joint_space
from search_spaces.presets import mobile
from trainables.compression.deployed import build_pruned
from trainables.config import TargetConfig
from trainables.cost.latency import measure_latency
from trainables.cost.macs import static_costs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainables.cost.latency import LatencyMeasurement

CLASSES, NETWORKS, SAMPLE = 11, 10, 200
NEAR = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One network; latencies in milliseconds."""

    network: str
    quiet: float
    quiet_marked: bool
    again: float
    seconds: float
    loaded: float
    marked: bool
    seconds_loaded: float
    plain: float
    plain_loaded: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=4, help="busy processes per core")
    parser.add_argument("--seconds", type=float, default=10.0, help="time budget of a measurement")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    target = TargetConfig(seconds=given.seconds)
    configs = networks()
    quiet = [(_ours(each, target), _plain(each)) for each in configs]
    again = [_ours(each, target) for each in configs]
    with busy(given.load * (os.cpu_count() or 1)):
        loaded = [(_ours(each, target), _plain(each)) for each in configs]
    rows = [
        _row(config, first, second, under)
        for config, first, second, under in zip(configs, quiet, again, loaded, strict=True)
    ]
    _print(rows)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def networks() -> list[TrialConfig]:
    """Return ten networks spread evenly over the order of FLOPs of a sample."""
    space, rng = joint_space(mobile()), np.random.default_rng(0)
    sample = [TrialConfig.from_mapping(space.sample(rng)) for _ in range(SAMPLE)]
    distinct = {static_costs(each, CLASSES)["flops"]: each for each in sample}
    ordered = [distinct[flops] for flops in sorted(distinct)]
    return [ordered[(2 * i + 1) * len(ordered) // (2 * NETWORKS)] for i in range(NETWORKS)]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run ``count`` processes that compute without a pause."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    time.sleep(1.0)
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _ours(config: TrialConfig, target: TargetConfig) -> tuple[LatencyMeasurement, float]:
    """Return the measurement and the seconds it took."""
    model = build_pruned(config, CLASSES)
    began = time.perf_counter()
    return measure_latency(model, config.resolution, target), time.perf_counter() - began


def _plain(config: TrialConfig) -> float:
    """Return the median of 15 wall times, milliseconds."""
    model = build_pruned(config, CLASSES).eval().to(memory_format=torch.channels_last)
    images = torch.rand(1, 3, config.resolution.height, config.resolution.width)
    images = images.to(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for number in range(18):
            start = time.perf_counter()
            model(images)
            if number >= 3:
                times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _row(
    config: TrialConfig,
    quiet: tuple[tuple[LatencyMeasurement, float], float],
    again: tuple[LatencyMeasurement, float],
    loaded: tuple[tuple[LatencyMeasurement, float], float],
) -> Row:
    (first, _), plain = quiet
    (under, seconds), plain_under = loaded
    return Row(
        network=f"{config.arch} {config.backbone} {config.resolution}",
        quiet=first.latency_ms,
        quiet_marked=not first.undisturbed,
        again=again[0].latency_ms,
        seconds=again[1],
        loaded=under.latency_ms,
        marked=not under.undisturbed,
        seconds_loaded=seconds,
        plain=plain,
        plain_loaded=plain_under,
    )


def _print(rows: list[Row]) -> None:
    print("| network | quiet, ms | again | under load | marked | plain quiet | plain under load |")
    print("|---|--:|--:|--:|---|--:|--:|")
    for row in rows:
        ours = f"{row.quiet:.1f} | {row.again:.1f} | {row.loaded:.1f}"
        plain = f"{row.plain:.1f} | {row.plain_loaded:.1f}"
        print(f"| {row.network} | {ours} | {'yes' if row.marked else 'no'} | {plain} |")
    tau = kendalltau([r.quiet for r in rows], [r.loaded for r in rows]).statistic
    plain_tau = kendalltau([r.plain for r in rows], [r.plain_loaded for r in rows]).statistic
    silent = sum(not row.marked and _off(row.quiet, row.loaded) > NEAR for row in rows)
    print(f"Kendall's tau: {tau:.2f}, plain {plain_tau:.2f}")
    print(f"figures off by over {NEAR:.0%} and not marked: {silent} of {len(rows)}")
    worst = max(_off(row.quiet, row.loaded) for row in rows)
    plain_worst = max(_off(row.plain, row.plain_loaded) for row in rows)
    print(f"largest deviation under load: {worst:.0%}, plain {plain_worst:.0%}")
    print(f"largest deviation of two quiet ones: {max(_off(r.quiet, r.again) for r in rows):.0%}")
    print(f"marked though quiet: {sum(row.quiet_marked for row in rows)} of {len(rows)}")
    seconds = statistics.median(row.seconds for row in rows)
    loaded = statistics.median(row.seconds_loaded for row in rows)
    print(f"seconds a measurement, median: {seconds:.1f} quiet, {loaded:.1f} under load")


def _off(before: float, after: float) -> float:
    return abs(after / before - 1)


if __name__ == "__main__":
    main()
