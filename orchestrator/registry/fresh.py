"""A registered version at work in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from orchestrator.registry.versions import ModelVersion
    from trainables.config import TargetConfig

SCRIPT = Path(__file__).with_name("fresh_check.py")
OURS = ("orchestrator", "trainables", "search_spaces", "cluster")
"""Packages that the process must not come to need."""
EXAMPLES = 4
"""Images whose prediction is compared pixel by pixel, at most."""
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
ROUNDS = 3
"""Timings of which the best counts."""


class FreshProcessError(RuntimeError):
    """A registered model cannot be loaded or does not predict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshJob:
    """What the process is to do."""

    uri: str
    """Store of the registry."""
    version: ModelVersion
    """What it loads."""
    images: Path
    """Array of images at the model's resolution, uint8 [N, H, W, 3]."""
    size: tuple[int, int]
    """Height and width of the masks."""
    target: TargetConfig
    """How the program is timed: threads, warm-up, repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshModel:
    """A registered model that was loaded, has predicted, and waits to be timed."""

    masks: NDArray[np.uint8]
    """Predicted class of every pixel, [N, H, W]."""
    example_masks: NDArray[np.uint8]
    """What ``mlflow.pyfunc`` predicts of the first images, at their own size."""
    description: dict[str, Any]
    """What the loaded model says of itself."""
    ours: tuple[str, ...]
    """Modules of this product that it had imported."""
    time: Callable[[], float]
    """Returns the median latency of the program over a few passes, ms, > 0."""


@contextmanager
def fresh_model(job: FreshJob, folder: Path) -> Iterator[FreshModel]:
    """Yield what a process that knows only MLflow makes of a registered version.

    The process lives until the context is left.

    Args:
        job: What it is to do.
        folder: Where it may leave files.

    Raises:
        FreshProcessError: it ended without an answer; the end of what it said is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.npy" for name in ("masks", "example_masks")}
    order = folder / "job.json"
    order.write_text(json.dumps(_order(job) | {k: str(v) for k, v in files.items()}))
    with (folder / "log.txt").open("w+", encoding="utf-8") as log:
        # -I: neither the current folder nor PYTHONPATH can lend it what the model lacks
        process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", str(SCRIPT), str(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={**os.environ, **SETTINGS},
        )
        with process:
            try:
                first = _answer(process, log.name)
                yield FreshModel(
                    masks=np.load(files["masks"]),
                    example_masks=np.load(files["example_masks"]),
                    description=first["description"],
                    ours=tuple(first["ours"]),
                    time=lambda: float(_answer(process, log.name, go=True)["latency_ms"]),
                )
            finally:
                process.kill()


def time_fairly(
    models: Sequence[FreshModel], quiet: AbstractContextManager[object]
) -> tuple[float, ...]:
    """Return each model's latency, ms: the best of a few rounds that all take part in by turns.

    Whatever else the machine does only adds to a latency, and by turns it adds to all alike.

    Raises:
        FreshProcessError: a process ended.
    """
    with quiet:
        rounds = [[model.time() for model in models] for _ in range(ROUNDS)]
    return tuple(min(times) for times in zip(*rounds, strict=True))


def _order(job: FreshJob) -> dict[str, Any]:
    return {
        "uri": job.uri,
        "model": f"models:/{job.version.name}/{job.version.version}",
        "images": str(job.images),
        "examples": EXAMPLES,
        "size": list(job.size),
        "foreign": list(OURS),
        "threads": job.target.threads,
        "warmup": job.target.warmup,
        "repeats": job.target.repeats,
    }


def _answer(process: subprocess.Popen[str], log: str, *, go: bool = False) -> dict[str, Any]:
    """Return the process's next line, after telling it to go on where that is due."""
    line = ""
    try:
        if go and process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
        line = process.stdout.readline() if process.stdout is not None else ""
        answer: dict[str, Any] = json.loads(line)
    except (OSError, ValueError) as error:
        process.wait(timeout=30)
        said = Path(log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = said[-1] if said else line.strip() or "nothing was said"
        raise FreshProcessError(f"the model does not work in a fresh process: {last}") from error
    return answer
