"""The machine a measurement is made on."""

from __future__ import annotations

import platform
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from trainables.config import TargetConfig

CPU_INFO = Path("/proc/cpuinfo")


def device_of(target: TargetConfig) -> torch.device:
    """Return the torch device that ``target`` names.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    if target.name == "torch-cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            f"target {target.name} needs a CUDA GPU and torch sees none here; run on a node with "
            "one, or set target.name to torch-cpu"
        )
    return torch.device("cuda", torch.cuda.current_device())


def device_name(target: TargetConfig) -> str:
    """Return the name of the processor or GPU that ``target`` runs on.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    device = device_of(target)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """Return the processor's model name, or at least its architecture."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
