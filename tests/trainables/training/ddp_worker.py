"""One rank of a training that tests start as processes: RANK FOLDER WORLD_SIZE DATA FAULT.

FAULT is what rank 1 does wrong; ``cut`` ends all ranks in the middle of the second epoch, after a
notice, ``resume`` goes on from there; both train a network with BatchNorm and dropout, as does
``whole``.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import DataConfig, TrainingConfig
from trainables.data.dataset import build_datasets
from trainables.session.local import LocalSession
from trainables.session.ranks import Ranks
from trainables.training.loop import Trainer
from trainables.training.plan import Plan


class Net(nn.Module):
    """A small network without BatchNorm, so that two ranks compute what one does."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3, 1)
        self.fault = fault

    def forward(self, images: Tensor) -> Tensor:
        if self.training and self.fault == "error":
            raise KeyError("broken")
        if self.training and self.fault == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if self.training and self.fault == "memory-once" and len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        logits: Tensor = self.last(self.first(images).relu())
        if self.fault == ("nan-train" if self.training else "nan-score"):
            return logits * math.nan
        return logits


COURSES = ("whole", "cut", "resume")
CUT = 2
"""Steps of the second epoch that come before the cut."""


class Noticed(LocalSession):
    """Has a notice in the middle of the second epoch, and an end one step later."""

    steps = 0
    at: int | None = None

    def preemption_noticed(self) -> bool:
        self.steps += 1
        return self.at is not None and self.steps > self.at

    def should_stop(self) -> bool:
        return self.at is not None and self.steps > self.at + 1


def main() -> None:
    rank, folder, world_size, root, fault = sys.argv[1:]
    torch.set_num_threads(1)
    if int(world_size) > 1:
        address = f"file://{folder}/store-{fault}"
        dist.init_process_group(
            "gloo", init_method=address, rank=int(rank), world_size=int(world_size)
        )
    data = DataConfig(format="folder", root=root, class_names=("ground", "wall", "sky"))
    if fault not in COURSES and rank != "1":
        fault = "none"
    result = train(int(rank), Path(folder), int(world_size), data, fault)
    (Path(folder) / f"rank{rank}.json").write_text(json.dumps(result))
    if int(world_size) > 1:
        dist.destroy_process_group()


def train(
    rank: int, folder: Path, world_size: int, data: DataConfig, fault: str
) -> dict[str, object]:
    course = fault in COURSES
    batch = 2 if course else 6
    config = TrialConfig.from_mapping(
        {"resolution": "32x48", "batch_size": batch, "optimizer": "sgd", "learning_rate": 0.02}
    )
    datasets = build_datasets(data, Resolution(32, 48), folder / "cache", augmentation=0.5)
    torch.manual_seed(rank)  # DDP gives every rank the weights of rank 0.
    net: nn.Module = Net(fault)
    if course:
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(8, 3, 1),
        )
    plan = Plan(
        config=config,
        settings=TrainingConfig(),
        seed=4,
        epochs=3 if course else 2,
        folder=folder / "trial",
        metadata={},
    )
    session = Noticed(rank=rank, world_size=world_size)
    if fault == "cut":
        session.at = len(datasets[0]) // batch + CUT
    ranks = Ranks(rank, world_size)
    trainer = Trainer(plan, net, datasets, session=session, ranks=ranks)
    epochs: list[dict[str, float]] = []
    error = None
    try:
        if fault == "resume":
            assert trainer.resume()
        trainer.fit(
            lambda _, metrics: epochs.append({**metrics, "epoch_seconds": 0.0}),
        )
        assert not ranks.on_first(lambda: False)
    except Exception as failure:  # noqa: BLE001 - its name is the result
        error = type(failure).__name__
    weights = torch.cat([value.detach().flatten() for value in net.state_dict().values()])
    return {
        "error": error,
        "epochs": epochs,
        "weights": weights.tolist(),
        "parts": trainer.step.micro.parts,
        "steps": session.steps,
    }


if __name__ == "__main__":
    main()
