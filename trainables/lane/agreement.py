"""What the ranks of a lane tell each other."""

from __future__ import annotations

from typing import Any, cast

import torch.distributed as dist


def gather(value: object, group: dist.ProcessGroup | None) -> list[Any]:
    """Return the values of all ranks, which call this together; this one's alone for None."""
    if group is None:
        return [value]
    values: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(values, value, group=group)
    return values


def control_group() -> dist.ProcessGroup:
    """Return a group for the ranks' agreements, on the CPU also where gradients go over NCCL."""
    return cast("dist.ProcessGroup", dist.new_group(backend="gloo"))
