"""Runs a registered version in a new process that cannot import this product."""

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
OWN_PACKAGES = ("orchestrator", "trainables", "search_spaces", "cluster")
"""Packages that the process must not import."""
EXAMPLES = 4
"""Most images whose masks are compared pixel by pixel."""
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
ROUNDS = 3
"""Latency measurements; the lowest counts."""


class FreshProcessError(RuntimeError):
    """A registered model cannot be loaded or fails to predict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshJob:
    """Job of the process."""

    uri: str
    """Address of the MLflow store."""
    version: ModelVersion
    """Version to load."""
    images: Path
    """Array file of images at the model's resolution, uint8 [N, H, W, 3]."""
    size: tuple[int, int]
    """Height and width of the masks."""
    target: TargetConfig
    """Threads, warm-up and repeats of the latency measurement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshModel:
    """A registered model whose process has predicted and can be timed."""

    masks: NDArray[np.uint8]
    """Predicted class of every pixel, [N, H, W]."""
    example_masks: NDArray[np.uint8]
    """Masks of ``mlflow.pyfunc`` for the first images, at the size of the images."""
    description: dict[str, Any]
    """Description packed with the model."""
    own_modules: tuple[str, ...]
    """Modules of this product that the process imported; must be empty."""
    time: Callable[[], float]
    """Returns the median latency of the program, ms, > 0."""


@contextmanager
def fresh_model(job: FreshJob, folder: Path) -> Iterator[FreshModel]:
    """Load a registered version in a new process and yield its predictions.

    The process lives until the end of the context.

    Args:
        job: Job of the process.
        folder: Folder for its files.

    Raises:
        FreshProcessError: the process exited without an answer; its last line is included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.npy" for name in ("masks", "example_masks")}
    order = folder / "job.json"
    order.write_text(json.dumps(_order(job) | {k: str(v) for k, v in files.items()}))
    with (folder / "log.txt").open("w+", encoding="utf-8") as log:
        # -I: the model must not import anything from the current folder or PYTHONPATH
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
                    own_modules=tuple(first["ours"]),
                    time=lambda: float(_answer(process, log.name, go=True)["latency_ms"]),
                )
            finally:
                process.kill()


def time_in_turns(
    models: Sequence[FreshModel], quiet: AbstractContextManager[object]
) -> tuple[float, ...]:
    """Return each model's latency, ms: the lowest of ``ROUNDS`` rounds over all models.

    Other load only increases a latency; interleaved measurements share it.

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
        "foreign": list(OWN_PACKAGES),
        "threads": job.target.threads,
        "warmup": job.target.warmup,
        "repeats": job.target.repeats,
    }


def _answer(process: subprocess.Popen[str], log: str, *, go: bool = False) -> dict[str, Any]:
    """Return the next answer of the process; ``go`` requests a latency measurement first."""
    line = ""
    try:
        if go and process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
        line = process.stdout.readline() if process.stdout is not None else ""
        answer: dict[str, Any] = json.loads(line)
    except (OSError, ValueError) as error:
        process.wait(timeout=30)
        lines = Path(log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else line.strip() or "its log is empty"
        raise FreshProcessError(f"the model fails in a new process: {last}") from error
    return answer
