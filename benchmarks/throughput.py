"""Images per second of the input pipeline, the training step and the whole loop.

    python benchmarks/throughput.py [--resolutions 96x128 512x1024] [--device cuda] [--out F.json]

Rows: ``decoded batches`` (what the host does for a GPU: read and copy uint8), ``network inputs``
(random views, colours and normalization, on the device), ``torchvision per image`` (the usual
loader: torchvision's v2 transforms of each float image), ``bare step`` (steps on one batch that is
on the device), ``loop`` (ours: all three), ``torchvision loop`` (the usual loader and a plain
step), ``distilled step`` (a bare step with soft labels). Ways are measured in turn, in rounds;
figures are medians. On a CPU they count the time of all threads, so a busy machine matters less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TrainingConfig
from trainables.data.cache import CachedSplit
from trainables.data.dataset import SegmentationDataset
from trainables.data.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    JITTER,
    MAX_ANGLE,
    ZOOM_IN,
    ZOOM_OUT,
    RandomTransform,
)
from trainables.models.build import build_model
from trainables.session.ranks import Ranks
from trainables.training.compute import Compute
from trainables.training.metrics import IGNORE_INDEX
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from search_spaces.domains import Value

Way: TypeAlias = "Callable[[], object]"
"""Handles one batch."""
CLASSES = 19
STRENGTH = 0.5
"""Augmentation: the middle of the space."""


class TorchvisionImages(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The usual data set: each image is transformed alone, as float32."""

    def __init__(self, split: CachedSplit) -> None:
        """Read the decoded images of ``split``."""
        self._images, self._masks = split.images(), split.masks()
        jitter = JITTER * STRENGTH
        self._transform = v2.Compose(
            [
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.RandomHorizontalFlip(),
                v2.RandomAffine(
                    MAX_ANGLE * STRENGTH,
                    scale=(ZOOM_OUT**-STRENGTH, ZOOM_IN**STRENGTH),
                    translate=(0.1, 0.1),
                    interpolation=v2.InterpolationMode.BILINEAR,
                    fill={tv_tensors.Mask: IGNORE_INDEX, "others": 0},
                ),
                v2.ColorJitter(jitter, jitter, jitter),
                v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and mask at ``index``."""
        image = torch.from_numpy(self._images[index].transpose(2, 0, 1).copy())
        mask = torch.from_numpy(np.array(self._masks[index]))
        image, mask = self._transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return image.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor).long()


def write_split(folder: Path, resolution: Resolution, count: int) -> CachedSplit:
    """Return ``count`` random decoded images in files, as the cache has them."""
    random = np.random.default_rng(0)
    shape = (count, resolution.height, resolution.width)
    np.save(folder / "images.npy", random.integers(0, 256, (*shape, 3), dtype=np.uint8))
    np.save(folder / "masks.npy", random.integers(0, CLASSES, shape, dtype=np.uint8))
    return CachedSplit(folder)


class Ways:
    """The ways to handle a batch at one resolution."""

    def __init__(self, folder: Path, resolution: Resolution, batch: int, device: str) -> None:
        """Make data, models and optimizers."""
        self.batch_size = batch
        self.device = torch.device(device)
        self.config = TrialConfig(
            arch="deeplabv3plus",
            backbone="mobilenet_v2",
            output_stride=16,
            resolution=resolution,
            batch_size=batch,
        )
        self.compute = Compute.of(self.device, TrainingConfig())
        split = write_split(folder, resolution, count=4 * batch)
        transform = RandomTransform.of(STRENGTH, resolution)
        names = tuple(f"class {number}" for number in range(CLASSES))
        self.dataset = SegmentationDataset(split, names, transform=transform)
        self.indices = cycle(
            [list(range(start, start + batch)) for start in range(0, 4 * batch, batch)]
        )
        self.plain = DataLoader(TorchvisionImages(split), batch_size=batch, shuffle=True)
        self.fixed = self.compute.inputs(self.dataset.batch(next(self.indices)))
        small = (batch, CLASSES, resolution.height // 8, resolution.width // 8)
        self.soft = self.fixed | {"soft": torch.randn(small, device=self.device).half()}

    def all(self) -> dict[str, Way]:
        """Return the ways by name."""
        bare, loop = self._step(), self._step()
        distilled = self._step(distill_alpha=0.5, temperature=2.0)
        model = self.compute.place(build_model(self.config, CLASSES))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        loss = nn.CrossEntropyLoss(ignore_index=IGNORE_INDEX)
        plain = self._plain_batches()

        def plain_loop() -> None:
            images, masks = next(plain)
            images = images.to(self.device, memory_format=torch.channels_last)
            optimizer.zero_grad()
            with self.compute.autocast():
                logits = model(images)
            loss(logits.float(), masks.to(self.device)).backward()
            optimizer.step()

        def our_loop() -> None:
            self._train(loop, self.compute.inputs(self.dataset.batch(next(self.indices))))

        decoded = self.dataset.batch(next(self.indices))
        return {
            "decoded batches": lambda: self.dataset.batch(next(self.indices)),
            "network inputs": lambda: self.compute.inputs(decoded),
            "torchvision per image": lambda: next(plain),
            "bare step": lambda: self._train(bare, self.fixed),
            "loop": our_loop,
            "torchvision loop": plain_loop,
            "distilled step": lambda: self._train(distilled, self.soft),
        }

    def _step(self, **values: Value) -> TrainStep:
        config = TrialConfig.from_mapping(self.config.to_mapping() | values)
        model = self.compute.place(build_model(config, CLASSES))
        return TrainStep(
            model,
            config,
            compute=self.compute,
            ranks=Ranks(0, 1),
            steps_per_epoch=1000,
            epochs=1,
        )

    def _train(self, step: TrainStep, inputs: dict[str, torch.Tensor]) -> None:
        step(inputs, (inputs["mask"] != IGNORE_INDEX).sum())

    def _plain_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from self.plain


def seconds_of(way: Way, device: torch.device, least: float) -> float:
    """Return the seconds of one batch: CPU time of all threads on a CPU, else elapsed time."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start, calls = clock(), 0
    while calls == 0 or clock() - start < least:
        way()
        calls += 1
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (clock() - start) / calls


def measure(resolution: Resolution, batch: int, rounds: int, device: str) -> dict[str, float]:
    """Return the images per second of each way."""
    with tempfile.TemporaryDirectory(prefix="segsweep-throughput-") as folder:
        ways = Ways(Path(folder), resolution, batch, device)
        by_name = ways.all()
        taken: dict[str, list[float]] = {name: [] for name in by_name}
        for way in by_name.values():
            way()
        for _ in range(rounds):
            for name, way in by_name.items():
                taken[name].append(seconds_of(way, ways.device, least=0.5))
    return {name: batch / statistics.median(values) for name, values in taken.items()}


def table(results: dict[str, dict[str, float]]) -> str:
    """Return the results as a Markdown table."""
    ways = list(next(iter(results.values())))
    lines = [f"| images/s | {' | '.join(results)} |", "|---|" + "--:|" * len(results)]
    lines += [
        f"| {way} | {' | '.join(f'{rates[way]:,.1f}' for rates in results.values())} |"
        for way in ways
    ]
    for name, first, second in (
        ("decoded batches / torchvision per image", "decoded batches", "torchvision per image"),
        ("loop / bare step", "loop", "bare step"),
        ("loop / torchvision loop", "loop", "torchvision loop"),
        ("bare step / distilled step", "bare step", "distilled step"),
    ):
        ratios = [f"{rates[first] / rates[second]:.2f}" for rates in results.values()]
        lines.append(f"| {name} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every resolution and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--resolutions", nargs="+", default=["96x128", "256x256", "512x1024"])
    parser.add_argument(
        "--batch", type=int, default=8, help="images per batch; 2 at 512x1024 on a CPU"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {}
    for text in arguments.resolutions:
        resolution = Resolution.parse(text)
        large = arguments.device == "cpu" and resolution.height * resolution.width > 2**17
        batch = min(arguments.batch, 2) if large else arguments.batch
        results[f"{text}, batch {batch}"] = measure(
            resolution, batch, arguments.rounds, arguments.device
        )
        print(table(results), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
