from __future__ import annotations

import pytest

from cluster.capacity.packing import LaneShape
from orchestrator.lanes.plan import LanePlan


def test_ranks_request_what_their_shape_has() -> None:
    assert LanePlan(lanes=1).resources == {"CPU": 1.0}
    shape = LaneShape(cpus=2, gpus=0.5, memory_mb=3.0)
    assert LanePlan(lanes=1, shape=shape).resources == {"CPU": 2, "GPU": 0.5, "memory": 3e6}


@pytest.mark.parametrize(("gpus", "fraction"), [(0.0, None), (0.25, 0.25), (1.0, None), (2, None)])
def test_only_lanes_that_share_a_gpu_limit_their_memory(gpus: float, fraction: float) -> None:
    assert LanePlan(lanes=1, shape=LaneShape(gpus=gpus)).memory_fraction == fraction


def test_a_plan_is_printed_with_its_workers_and_gpus() -> None:
    assert str(LanePlan(lanes=2)) == "2 lane(s) of 1 worker(s)"
    shape = LaneShape(workers=4, gpus=0.5)
    assert str(LanePlan(lanes=1, shape=shape)) == "1 lane(s) of 4 worker(s), 0.5 GPU each"
