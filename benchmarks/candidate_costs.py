"""What it takes to know a candidate's parameters and MACs before anything is trained.

A searcher asks for hundreds of candidates a proposal, most of which no trial has had. Here random
configurations of a space are asked for: as the product does, and by building each network, pruning
it in earnest and counting its forward pass on the meta device. Both must say the same. Times are of
the processor, of one thread; writes a line of JSON a space.

Run: python benchmarks/candidate_costs.py --candidates 400 --counted 30
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from search_spaces.config import TrialConfig
from search_spaces.domains import Categorical, Float
from search_spaces.joint import joint_space
from search_spaces.presets import camvid, mobile
from trainables.compression.structured import prune_channels
from trainables.cost.macs import count_macs, count_params, static_costs
from trainables.cost.skeleton import no_values
from trainables.models.build import build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CLASSES = 11
SPACES = {
    "mobile": mobile(),
    "camvid, any share of the channels pruned": replace(
        camvid(), pruning=Categorical("none", "structured"), pruning_ratio=Float(0.1, 0.6)
    ),
    "camvid, any width": replace(camvid(), width=Float(0.35, 1.0)),
}


def counted(config: TrialConfig) -> tuple[int, int]:
    """Return parameters and MACs of the network itself."""
    with no_values():
        model = build_model(config, CLASSES).eval()
    if config.pruning == "structured" and config.pruning_ratio is not None:
        prune_channels(model, config.pruning_ratio)
    return count_params(model), count_macs(model, config.resolution)


def told(config: TrialConfig) -> tuple[int, int]:
    """Return what the product says of it."""
    costs = static_costs(config, CLASSES)
    return costs["params"], costs["macs"]


def timed(
    ask: Callable[[TrialConfig], tuple[int, int]], configs: Iterable[TrialConfig]
) -> tuple[list[float], list[tuple[int, int]]]:
    """Return the milliseconds that each answer takes, and the answers."""
    milliseconds, answers = [], []
    for config in configs:
        begin = time.process_time()
        answers.append(ask(config))
        milliseconds.append(1e3 * (time.process_time() - begin))
    return milliseconds, answers


def main() -> None:
    """Ask for the costs of every space's candidates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, default=400)
    parser.add_argument("--counted", type=int, default=30, help="of them are counted, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, choices in SPACES.items():
        space, rng = joint_space(choices), np.random.default_rng(0)
        configs = [TrialConfig.from_mapping(space.sample(rng)) for _ in range(arguments.candidates)]
        counting, expected = timed(counted, configs[: arguments.counted])
        telling, answers = timed(told, configs)
        if answers[: arguments.counted] != expected:
            raise SystemExit(f"{name}: what is told is not what is counted")
        half = len(telling) // 2
        figures = {
            "space": name,
            "counted_ms": statistics.median(counting),
            "told_ms_all": statistics.mean(telling),
            "told_ms_second_half_mean": statistics.mean(telling[half:]),
            "told_ms_second_half_median": statistics.median(telling[half:]),
            "ratio_of_means": statistics.mean(counting) / statistics.mean(telling),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
