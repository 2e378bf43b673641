"""Latency of a model on the machine at hand."""

from __future__ import annotations

import copy
import gc
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainables.cost.host import clock_state, device_name, device_of, runtime_name
from trainables.cost.rounds import quietest_round
from trainables.cost.runtimes.command import run_command
from trainables.cost.runtimes.registry import open_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import nn

    from search_spaces.config import Resolution
    from trainables.config import TargetConfig

PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyMeasurement:
    """How long one forward pass takes, with all that the figure depends on."""

    latency_ms: float
    """Median pass of the quietest round, milliseconds per batch, > 0; lower is better."""
    latency_iqr_ms: float
    """Distance of the quartiles, milliseconds, >= 0; large where the machine was busy."""
    latency_p10_ms: float
    """A tenth of the passes were as fast as this, milliseconds."""
    latency_p90_ms: float
    """Nine tenths of the passes were as fast as this, milliseconds."""
    batch_size: int
    """Images per pass, >= 1."""
    threads: int
    """Threads of the runtime, >= 1."""
    device: str
    """Name of the processor or GPU."""
    runtime: str
    """Library with its version."""
    precision: str
    """Type of the weights: fp32, fp16, bf16 or int8."""
    channels_last: bool
    """Whether tensors lay in NHWC order."""
    resolution: str
    """HEIGHTxWIDTH of the images, pixels."""
    warmup: int
    """Passes before the timing, >= 0."""
    repeats: int
    """Timed passes of a round, >= 1."""
    rounds: int = 1
    """Rounds that were run until two agreed, >= 1."""
    clock: str = "unknown"
    """What is known of the processor's or the GPU's clock."""


def measure_latency(
    model: nn.Module, resolution: Resolution, target: TargetConfig, *, channels_last: bool = True
) -> LatencyMeasurement:
    """Return the latency of ``model`` from image tensor to full-size logits, in evaluation mode.

    A copy is timed, so ``model`` keeps its device, mode and memory order. The number of torch
    threads is that of the target for the time of the measurement, then what it was before. On the
    GPU CUDA events are used. Keep the machine quiet meanwhile (``trainables.cost.quiet``).

    Args:
        model: Takes N x 3 x H x W images of its own floating type.
        resolution: Height and width of the images.
        target: Device, threads, batch size, warm-up, repeats.
        channels_last: Lay weights and images in NHWC order, as in the training.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    device = device_of(target)
    order = torch.channels_last if channels_last else torch.contiguous_format
    timed = copy.deepcopy(model).eval().to(device=device, memory_format=order)  # type: ignore[call-overload]
    dtype = next(timed.parameters()).dtype
    size = (target.batch_size, 3, resolution.height, resolution.width)
    images = torch.rand(size, device=device, dtype=dtype).to(memory_format=order)
    timer = _time_cuda if device.type == "cuda" else _time_cpu
    with _steady(target.threads), torch.inference_mode():
        for _ in range(target.warmup):
            timed(images)
        times, rounds = quietest_round(
            lambda: timer(lambda: timed(images), target.repeats), rounds=target.rounds
        )
    return _summarised(
        times,
        rounds,
        target,
        resolution,
        precision=PRECISIONS.get(dtype, str(dtype)),
        channels_last=channels_last,
    )


def measure_artifact(
    artifact: Path, resolution: Resolution, target: TargetConfig, *, precision: str
) -> LatencyMeasurement:
    """Return the latency of an artifact in the runtime of ``target``, images in, logits out.

    Args:
        artifact: File in the target's format, a ``.pte`` for the target's batch size.
        resolution: Height and width of the images.
        target: Runtime, threads, batch size, warm-up, repeats.
        precision: Type of its weights, for the record.

    Raises:
        ArtifactError: the runtime cannot load it, or the user's program fails.
        ValueError: the user's command is missing or not sound.
        MissingExtraError: the runtime is not installed.
    """
    if target.name == "command":
        times: Sequence[float] = run_command(target, artifact, resolution)
        rounds = 1
    else:
        run = open_artifact(artifact, threads=target.threads)
        images = torch.rand(target.batch_size, 3, resolution.height, resolution.width)
        with _steady(target.threads), torch.inference_mode():
            for _ in range(target.warmup):
                run(images)
            times, rounds = quietest_round(
                lambda: _time_cpu(lambda: run(images), target.repeats), rounds=target.rounds
            )
    return _summarised(times, rounds, target, resolution, precision=precision, channels_last=False)


def _summarised(
    times: Sequence[float],
    rounds: int,
    target: TargetConfig,
    resolution: Resolution,
    *,
    precision: str,
    channels_last: bool,
) -> LatencyMeasurement:
    p10, p25, median, p75, p90 = (float(ms) for ms in np.percentile(times, (10, 25, 50, 75, 90)))
    return LatencyMeasurement(
        latency_ms=median,
        latency_iqr_ms=p75 - p25,
        latency_p10_ms=p10,
        latency_p90_ms=p90,
        batch_size=target.batch_size,
        threads=target.threads,
        device=device_name(target),
        runtime=runtime_name(target),
        precision=precision,
        channels_last=channels_last,
        resolution=str(resolution),
        warmup=target.warmup,
        repeats=len(times),
        rounds=rounds,
        clock=clock_state(target),
    )


@contextmanager
def _steady(threads: int) -> Iterator[None]:
    """Let torch use ``threads`` threads inside, and no garbage collection come between."""
    before, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(threads)
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()


def _time_cpu(run: Callable[[], object], repeats: int) -> list[float]:
    """Return the milliseconds of each of ``repeats`` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


def _time_cuda(run: Callable[[], object], repeats: int) -> list[float]:
    """Return the milliseconds of each of ``repeats`` calls, on the GPU's own clock."""
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        start, end = _event(), _event()
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(float(start.elapsed_time(end)))
    return times


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
