"""How far repeated medians of one model's latency lie apart, by target.

Usage: python benchmarks/latency_spread.py [--rounds 7] [--repeats 50] [--targets NAME ...]

Each target measures an untrained DeepLabv3+ on MobileNetV3-Small at 96x128, float and int8 where it
runs both, ROUNDS times; targets take turns, so that a slow minute of the machine hits them alike.
The spread is the largest median minus the smallest over the middle one. Run it on an idle machine:
what else runs there is in the figures, and its load is printed beside them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from search_spaces.config import TrialConfig
from trainables.compression.deployed import build_pruned, stand_in
from trainables.config import TargetConfig, TargetName
from trainables.cost.latency import measure_artifact, measure_latency
from trainables.cost.profile import PRECISION
from trainables.cost.targets import RUNS, artifact_format
from trainables.formats.artifact import write_artifact

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = 11
USUAL = ("torch-cpu", "onnxruntime-cpu", "executorch-xnnpack")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--targets", nargs="+", default=USUAL, choices=get_args(TargetName))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timers = {}
        for name in given.targets:
            target = TargetConfig(name=name, repeats=given.repeats, warmup=10)
            for quantization in ("none", "ptq_int8"):
                if quantization in RUNS[name]:
                    title = f"{name} {PRECISION[quantization]}"
                    timers[title] = _timer(target, quantization, Path(folder))
        medians: dict[str, list[float]] = {title: [] for title in timers}
        before = os.getloadavg()[0]
        for _ in range(given.rounds):
            for title, timer in timers.items():
                medians[title].append(timer())
    print(f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    print("| target | median of medians, ms | smallest | largest | spread |")
    print("|---|--:|--:|--:|--:|")
    for title, values in medians.items():
        middle, low, high = statistics.median(values), min(values), max(values)
        spread = (high - low) / middle
        print(f"| {title} | {middle:.2f} | {low:.2f} | {high:.2f} | {spread:.1%} |")


def _timer(target: TargetConfig, quantization: str, folder: Path) -> Callable[[], float]:
    """Return what measures the latency once, in milliseconds."""
    config = TrialConfig.from_mapping({"quantization": quantization})
    suffix = artifact_format(target)
    if suffix is None:
        model = build_pruned(config, CLASSES)
        return lambda: measure_latency(model, config.resolution, target).latency_ms
    path = folder / f"{target.name}-{quantization}.{suffix}"
    write_artifact(stand_in(config, CLASSES), config.resolution, path)
    precision = PRECISION[quantization]
    return lambda: measure_artifact(path, config.resolution, target, precision=precision).latency_ms


if __name__ == "__main__":
    main()
