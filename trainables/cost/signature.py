"""The identity of a latency measurement."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from trainables.cost.host import device_name, runtime_name
from trainables.models.shape import cost_shape

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from trainables.config import TargetConfig


MEASUREMENT = 2
"""Version of the measuring method: version 1 did not detect disturbances and is not reused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostInfo:
    """The properties of a machine that latency depends on."""

    device: str
    """Name of the processor or GPU."""
    cpus: int
    """Logical processors of the machine, >= 1."""
    runtime: str
    """Library with its version."""


def describe_host(target: TargetConfig) -> HostInfo:
    """Return the properties of this machine for ``target``.

    Raises:
        RuntimeError: the target needs a GPU and there is none.
    """
    return HostInfo(
        device=device_name(target), cpus=os.cpu_count() or 1, runtime=runtime_name(target)
    )


def cost_signature(
    config: TrialConfig,
    num_classes: int,
    target: TargetConfig,
    host: HostInfo,
    *,
    channels_last: bool = True,
) -> str:
    """Return 32 hex digits that are equal exactly where a latency may be reused.

    The digest covers the model's shape, the target with its threads and batch size, the machine and
    the library. It excludes the weights and everything of the training. Hence int8 models have the
    same signature for any calibration, and dense ones for any unstructured pruning.
    """
    parts = {
        "measurement": MEASUREMENT,
        "shape": cost_shape(config),
        "num_classes": num_classes,
        "target": asdict(target),
        "host": asdict(host),
        "channels_last": channels_last,
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
