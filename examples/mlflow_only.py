"""Find a sweep's front and use its champion with MLflow alone; nothing of segsweep is imported.

python examples/mlflow_only.py sqlite:///segsweep-runs/mlflow.db street photo.png mask.png
"""

# ruff: noqa: INP001, T201 - a script, no package

from __future__ import annotations

import argparse

import mlflow
import numpy as np
from PIL import Image


def print_front(max_latency_ms: float) -> None:
    """Print the trials on the front of the latest sweep that are fast enough, the best first."""
    sweeps = mlflow.search_runs(
        search_all_experiments=True,
        filter_string="tags.`sweep.role` = 'sweep'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
        output_format="list",
    )
    if not sweeps:
        raise SystemExit("no sweep in this store")
    latest = sweeps[0]
    front = mlflow.search_runs(
        [latest.info.experiment_id],
        filter_string=f"tags.`mlflow.parentRunId` = '{latest.info.run_id}' "
        f"AND tags.pareto = 'true' AND metrics.latency_ms < {max_latency_ms:.6f}",
        order_by=["metrics.miou DESC"],
        output_format="list",
    )
    for run in front:
        figures = run.data.metrics
        print(
            f"{run.data.tags['trial.id']}  mIoU {figures['miou']:.4f}  "
            f"{figures['latency_ms']:.2f} ms  {figures['flops'] / 1e9:.3f} GFLOPs"
        )


def main() -> None:
    """Print the front, then write the mask of one image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", help="MLflow tracking address")
    parser.add_argument("model", help="registered model")
    parser.add_argument("image")
    parser.add_argument("mask", help="PNG to write; pixel values are classes")
    parser.add_argument("--max-latency-ms", type=float, default=1e6)
    options = parser.parse_args()
    mlflow.set_tracking_uri(options.store)
    print_front(options.max_latency_ms)
    model = mlflow.pyfunc.load_model(f"models:/{options.model}@champion")
    image = np.asarray(Image.open(options.image).convert("RGB"))
    mask = model.predict(image[None])[0]
    Image.fromarray(mask).save(options.mask)
    classes = model.metadata.metadata["class_names"]
    shares = np.bincount(mask.ravel(), minlength=len(classes)) / mask.size
    print(", ".join(f"{name} {share:.1%}" for name, share in zip(classes, shares, strict=True)))


if __name__ == "__main__":
    main()
