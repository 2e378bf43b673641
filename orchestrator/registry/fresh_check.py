"""Loads a registered model with MLflow alone, predicts, and measures its latency.

A script that imports nothing of this package. Its argument is the path of a JSON file with the job.
It prints one line of JSON for the prediction, then one for the latency after each line on standard
input.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch


def main(job: dict[str, Any]) -> None:
    """Load and predict, then measure the latency once per line on standard input."""
    mlflow.set_tracking_uri(job["uri"])
    mlflow.set_registry_uri(job["uri"])
    model = mlflow.pyfunc.load_model(job["model"])
    predictor = model.unwrap_python_model().predictor
    images = np.load(job["images"], mmap_mode="r")
    example = np.array(images[: job["examples"]])
    np.save(job["example_masks"], model.predict(example))
    parts = [
        predictor.masks(np.array(images[start : start + 16]), size=tuple(job["size"]))
        for start in range(0, len(images), 16)
    ]
    np.save(job["masks"], np.concatenate(parts))
    ours = {name for name in sys.modules if name.split(".")[0] in job["foreign"]}
    print_answer({"description": predictor.description, "ours": sorted(ours)})
    while sys.stdin.readline():
        print_answer({"latency_ms": latency_ms(predictor, example[:1], job)})


def latency_ms(predictor: Any, image: Any, job: dict[str, Any]) -> float:  # noqa: ANN401
    """Return the median time of a forward pass, ms."""
    torch.set_num_threads(job["threads"])
    prepared = predictor.prepare(image)
    for _ in range(job["warmup"]):
        predictor.run(prepared)
    times = []
    for _ in range(job["repeats"]):
        start = time.perf_counter_ns()
        predictor.run(prepared)
        times.append((time.perf_counter_ns() - start) / 1e6)
    return float(np.median(times))


def print_answer(answer: dict[str, Any]) -> None:
    """Print one answer."""
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
