"""The machine of a measurement."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainables.formats.runtimes import executorch_xnnpack, onnxruntime_cpu

if TYPE_CHECKING:
    from trainables.config import TargetConfig

CPU_INFO = Path("/proc/cpuinfo")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def device_of(target: TargetConfig) -> torch.device:
    """Return the torch device of ``target``; the CPU for runtimes other than torch.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    if target.name != "torch-cuda":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            f"target {target.name} needs a CUDA GPU and torch finds none; run on a node with "
            "one, or set target.name to torch-cpu"
        )
    return torch.device("cuda", torch.cuda.current_device())


def device_name(target: TargetConfig) -> str:
    """Return the name of the processor or GPU that ``target`` runs on.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    if target.name == "command":
        return f"command {target.command}"
    device = device_of(target)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def runtime_name(target: TargetConfig) -> str:
    """Return name and version of the library that runs models for ``target``.

    Raises:
        MissingExtraError: the library is not installed.
    """
    if target.name == "onnxruntime-cpu":
        return onnxruntime_cpu.version()
    if target.name == "executorch-xnnpack":
        return executorch_xnnpack.version()
    return "command" if target.name == "command" else f"torch {torch.__version__}"


def clock_state(target: TargetConfig) -> str:
    """Return the CPU's frequency governor or the GPU's clock; ``unknown`` without either.

    Clocks that are not locked (``nvidia-smi --lock-gpu-clocks``) depend on the temperature.
    """
    if target.name == "torch-cuda" and torch.cuda.is_available():
        return f"SM at {torch.cuda.clock_rate()} MHz"
    if target.name == "command" or not GOVERNOR.exists():
        return "unknown"
    return f"governor {GOVERNOR.read_text(encoding='ascii').strip()}"


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """Return the processor's model name; its architecture where the name is unknown."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
