"""What pruning and quantization bring to one trained model, in every runtime, at one thread.

Usage: python benchmarks/compression.py DATA_ROOT WORK_FOLDER [--epochs 12]

DATA_ROOT is a data set in the ``folder`` layout with CamVid's 11 classes (label 11 is ignored).
Trained are one DeepLabv3+ on MobileNetV3-Small with ptq_int8, and one whose channels are halved
midway, with qat_int8; WORK_FOLDER keeps them for another call.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.compression.deployed import build_pruned
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.cost.latency import measure_artifact
from trainables.cost.macs import static_costs
from trainables.data.dataset import build_datasets
from trainables.export.export import load_deployed
from trainables.export.verify import verify
from trainables.formats.artifact import write_artifact
from trainables.formats.runtimes.registry import open_artifact
from trainables.session.local import LocalSession
from trainables.session.messages import TrialTask
from trainables.training.checkpoint import BEST_METADATA, BEST_WEIGHTS, load_weights
from trainables.trial import run_trial

if TYPE_CHECKING:
    from torch import nn

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
BASE = {
    "backbone": "mobilenet_v3_small",
    "resolution": "96x128",
    "learning_rate": 3e-3,
    "batch_size": 8,
    "augmentation": 0.3,
}
RUNS = {
    "ptq": {**BASE, "quantization": "ptq_int8"},
    "pruned-qat": {**BASE, "quantization": "qat_int8", "pruning": "structured"},
}
ROUNDS = 5
RUNTIMES = {"onnx": "onnxruntime-cpu", "pte": "executorch-xnnpack"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    data = DataConfig(format="folder", root=str(given.data), class_names=CLASSES, ignore_index=11)
    print(
        "| model | artifact | MMACs | size MB | ms (median of 5 medians, their spread) "
        "| mIoU | float mIoU | same class |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, settings in RUNS.items():
        folder = given.work / name
        if not (folder / BEST_METADATA).is_file():
            _train(name, settings, data, folder, given.epochs)
        _report(name, folder, data, given.work)


def _train(
    name: str, settings: dict[str, object], data: DataConfig, folder: Path, epochs: int
) -> None:
    task = TrialTask(
        sweep_id="compression",
        trial_id=name,
        config=TrialConfig.from_mapping(settings).to_mapping(),
        seed=0,
        epochs=epochs,
        data=data,
        training=TrainingConfig(sample_images=0, threads=1),
        target=TargetConfig(name="onnxruntime-cpu"),
        cache_dir=str(folder.parent / "cache"),
        output_dir=str(folder),
    )
    done = run_trial(task, LocalSession())
    if done.state != "complete":
        raise SystemExit(f"{name} ended {done.state}: {done.reason}")
    print(f"{name}: {done.metrics}")


def _report(name: str, folder: Path, data: DataConfig, work: Path) -> None:
    int8, config, classes = load_deployed(folder)
    val = build_datasets(data, config.resolution, work / "cache")[1]
    samples = [
        (sample["image"], sample["mask"]) for sample in map(val.__getitem__, range(len(val)))
    ]
    models: dict[str, nn.Module] = {f"{name} int8": int8}
    if config.quantization == "ptq_int8":
        weights, _ = load_weights(folder / BEST_WEIGHTS)
        floating = build_pruned(config, classes)
        floating.load_state_dict(weights)
        models = {f"{name} float": floating.eval(), **models}
    macs = static_costs(config, classes)["macs"] / 1e6
    for title, model in models.items():
        for suffix, target_name in RUNTIMES.items():
            path = work / f"{title.replace(' ', '-')}.{suffix}"
            if not path.is_file():
                write_artifact(model, config.resolution, path)
            found = verify(open_artifact(path), model, samples, classes)
            target = TargetConfig(name=target_name, repeats=50, warmup=10)  # type: ignore[arg-type]
            medians = [
                measure_artifact(path, config.resolution, target, precision=title).latency_ms
                for _ in range(ROUNDS)
            ]
            middle = statistics.median(medians)
            spread = (max(medians) - min(medians)) / middle
            print(
                f"| {title} | .{suffix} | {macs:.0f} | {path.stat().st_size / 1e6:.2f} "
                f"| {middle:.2f} ({spread:.0%}) | {found.miou:.4f} | {found.model_miou:.4f} "
                f"| {found.agreement:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
