"""A registered model at work in a process that knows only MLflow.

Run as a script with the path of a JSON file that says what to do; it imports nothing of its own
package. What it finds is printed as lines of JSON: first of the prediction, then, for every line on
standard input, of one timing, until there are no more.
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
    """Load and predict, then time as often as it is told to; print every answer."""
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
    say({"description": predictor.description, "ours": sorted(ours)})
    while sys.stdin.readline():
        say({"latency_ms": latency_ms(predictor, example[:1], job)})


def latency_ms(predictor: Any, image: Any, job: dict[str, Any]) -> float:  # noqa: ANN401
    """Return the median time of a few passes of the program."""
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


def say(answer: dict[str, Any]) -> None:
    """Print one answer."""
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
