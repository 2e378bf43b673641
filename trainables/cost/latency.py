"""Latency of a model on this machine."""

from __future__ import annotations

import copy
import gc
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from trainables.cost.host import clock_state, device_name, device_of, runtime_name
from trainables.cost.rounds import Round, Timing, relative_interval, time_in_rounds, time_round
from trainables.formats.runtimes.command import run_command
from trainables.formats.runtimes.registry import open_artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import nn

    from search_spaces.resolution import Resolution
    from trainables.config import TargetConfig

PRECISIONS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyMeasurement:
    """Time of one forward pass, with everything that the figure depends on.

    ``trainables.cost.rounds`` defines what a disturbance is.
    """

    latency_ms: float
    """Median pass of the undisturbed rounds, milliseconds per batch, > 0; lower is better. Where
    ``estimate`` is ``cpu`` the median CPU time of the measuring thread."""
    latency_iqr_ms: float
    """Interquartile range, milliseconds, >= 0; large where the machine was busy."""
    latency_p10_ms: float
    """10th percentile of the passes, milliseconds."""
    latency_p90_ms: float
    """90th percentile of the passes, milliseconds."""
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
    """Whether tensors were in NHWC order."""
    resolution: str
    """HEIGHTxWIDTH of the images, pixels."""
    warmup: int
    """Passes before the timing, >= 0."""
    repeats: int
    """Timed passes that the figures are computed from, >= 1."""
    undisturbed: bool
    """Whether the figure is reliable: little other load, and a tight interval of the median."""
    disturbance: str = ""
    """Why it is not; empty where it is."""
    estimate: Literal["wall", "cpu"] = "wall"
    """Wall time, or CPU time where no round was undisturbed and one thread does all the work."""
    interval: float | None = None
    """Half-width of the 95 % interval of the median over the median, >= 0; None for fewer than
    three passes."""
    cpu_ms: float | None = None
    """Median CPU time of the measuring thread in a pass, milliseconds; None where unknown."""
    switches: float | None = None
    """Involuntary context switches of the measuring thread per pass; None where unknown."""
    other_load: float | None = None
    """Mean share of the machine's CPUs that other processes used, [0, 1]; None where unknown."""
    rounds: int = 1
    """Rounds that were timed, >= 1."""
    clock: str = "unknown"
    """State of the processor's or the GPU's clock, from ``host.clock_state``."""


def measure_latency(
    model: nn.Module, resolution: Resolution, target: TargetConfig, *, channels_last: bool = True
) -> LatencyMeasurement:
    """Return the latency of ``model`` from image tensor to full-size logits, in evaluation mode.

    A copy is timed, so ``model`` keeps its device, mode and memory format. Torch uses the target's
    number of threads during the measurement. On the GPU CUDA events are used. The caller pauses
    other work meanwhile (``trainables.cost.quiet``).

    Args:
        model: Takes images [N, 3, H, W] of its own floating type.
        resolution: Height and width of the images.
        target: Device, threads, batch size, warm-up, repeats.
        channels_last: Store weights and images in NHWC order, as in the training.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    device = device_of(target)
    order = torch.channels_last if channels_last else torch.contiguous_format
    timed = copy.deepcopy(model).eval().to(device=device, memory_format=order)  # type: ignore[call-overload]
    dtype = next(timed.parameters()).dtype
    size = (target.batch_size, 3, resolution.height, resolution.width)
    images = torch.rand(size, device=device, dtype=dtype).to(memory_format=order)
    timing = _time(lambda: timed(images), target, cuda=device.type == "cuda")
    precision = PRECISIONS.get(dtype, str(dtype))
    return _summarised(timing, target, resolution, precision, channels_last=channels_last)


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
        ValueError: the user's command is missing or invalid.
        MissingExtraError: the runtime is not installed.
    """
    if target.name == "command":
        timing = _printed(run_command(target, artifact, resolution))
    else:
        run = open_artifact(artifact, threads=target.threads)
        images = torch.rand(target.batch_size, 3, resolution.height, resolution.width)
        timing = _time(lambda: run(images), target)
    return _summarised(timing, target, resolution, precision, channels_last=False)


def _time(run: Callable[[], object], target: TargetConfig, *, cuda: bool = False) -> Timing:
    """Return the timing of ``run`` after a warm-up of at most a third of the time budget."""
    one_pass = _cuda_pass if cuda else _cpu_pass
    on_thread = target.threads == 1 and not cuda
    with _steady(target.threads), torch.inference_mode():
        end_of_warmup = time.perf_counter() + target.seconds / 3
        for _ in range(target.warmup):
            one_pass(run)
            if time.perf_counter() >= end_of_warmup:
                break
        return time_in_rounds(
            lambda: time_round(
                lambda: one_pass(run),
                passes=target.repeats,
                on_thread=on_thread,
                on_cpu=not cuda,
            ),
            rounds=target.rounds,
            seconds=target.seconds,
        )


def _printed(times: Sequence[float]) -> Timing:
    """Return the timing that a user's program printed; it is reliable unless its passes differ.

    A program may print a median of its own, so the interval of fewer than three is not checked.
    """
    if len(times) >= 3:
        return time_in_rounds(lambda: Round(wall_ms=tuple(times)), rounds=1, seconds=1.0)
    return Timing(
        times_ms=tuple(times),
        estimate="wall",
        rounds=1,
        interval=relative_interval(times),
        disturbance="",
        cpu_ms=None,
        switches=None,
        other_load=None,
    )


def _summarised(
    timing: Timing,
    target: TargetConfig,
    resolution: Resolution,
    precision: str,
    *,
    channels_last: bool,
) -> LatencyMeasurement:
    percentiles = np.percentile(timing.times_ms, (10, 25, 50, 75, 90))
    p10, p25, median, p75, p90 = (float(ms) for ms in percentiles)
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
        repeats=len(timing.times_ms),
        undisturbed=not timing.disturbance,
        disturbance=timing.disturbance,
        estimate=timing.estimate,
        interval=timing.interval if math.isfinite(timing.interval) else None,
        cpu_ms=timing.cpu_ms,
        switches=timing.switches,
        other_load=timing.other_load,
        rounds=timing.rounds,
        clock=clock_state(target),
    )


@contextmanager
def _steady(threads: int) -> Iterator[None]:
    """Set torch to ``threads`` threads and disable garbage collection inside."""
    before, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(threads)
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()


def _cpu_pass(run: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1e6


def _cuda_pass(run: Callable[[], object]) -> float:
    """Return the milliseconds of one call, by the GPU's clock."""
    torch.cuda.synchronize()
    start, end = _event(), _event()
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
