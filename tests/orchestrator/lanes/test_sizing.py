from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.capacity.memory import CONTEXT_MB, MemoryModel
from cluster.capacity.nodes import Node
from cluster.capacity.packing import LaneShape
from cluster.capacity.resources import ResourceError
from orchestrator.lanes.sizing import (
    Elastic,
    LanePlan,
    LaneSizing,
    estimated_needs,
    lane_counts,
    lane_plans,
)
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import dump_spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config


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


BOX = Node(node_id="box", cpus=64, gpus=8, gpu_memory_mb=80_000, gpu_type="H100")


def spec(tmp_path: Path, *overrides: str) -> SweepSpec:
    return load_spec(overrides=[f"storage.root={tmp_path}", *overrides])


def test_lanes_are_counted_node_by_node(tmp_path: Path) -> None:
    nodes = [Node(node_id=str(i), cpus=3) for i in range(2)]
    (plan,) = lane_plans(spec(tmp_path, "resources.cpus_per_worker=2"), nodes)
    assert (plan.lanes, plan.resources) == (2, {"CPU": 2.0})
    wanted = spec(tmp_path, "resources.cpus_per_worker=2", "resources.lanes=3")
    with pytest.raises(ResourceError, match="room for 2"):
        lane_plans(wanted, nodes)
    (waiting,) = lane_plans(wanted, nodes, may_grow=True)
    assert waiting.lanes == 3
    assert lane_counts([waiting], nodes, 3) == [2]
    with pytest.raises(ResourceError, match="those lanes then wait for nodes"):
        lane_plans(spec(tmp_path, "resources.cpus_per_worker=8"), nodes, may_grow=True)


def test_labels_and_types_choose_the_nodes(tmp_path: Path) -> None:
    nodes = [
        Node(node_id="a", cpus=4, labels={"kind": "train"}),
        Node(node_id="b", cpus=64, labels={"kind": "serve"}),
        BOX,
    ]
    labelled = spec(tmp_path, "resources.node_labels={kind: train}", "resources.gpus_per_worker=0")
    assert [plan.lanes for plan in lane_plans(labelled, nodes)] == [4]
    typed = spec(tmp_path, "resources.gpu_type=H100")
    (plan,) = lane_plans(typed, nodes)
    assert (plan.lanes, plan.shape.gpus, plan.shape.gpu_type) == (8, 1.0, "H100")
    with pytest.raises(ResourceError, match=r"0 of 3 node.* gpu_type=L4"):
        lane_plans(spec(tmp_path, "resources.gpu_type=L4"), nodes)


@pytest.mark.parametrize("setting", ["gpus_per_worker=0.125", "packing=memory"])
def test_lanes_on_one_gpu_fit_with_their_cuda_contexts(tmp_path: Path, setting: str) -> None:
    (plan,) = lane_plans(spec(tmp_path, f"resources.{setting}"), [BOX], [3_000.0])
    assert (plan.lanes, plan.shape.gpus, plan.gpu_memory_mb) == (64, 1 / 8, 80_000)
    assert plan.memory_fraction is not None
    assert 8 * (plan.memory_fraction * 80_000 + CONTEXT_MB) <= 80_000
    (whole,) = lane_plans(spec(tmp_path), [BOX])
    assert (whole.lanes, whole.memory_fraction) == (8, None)


def test_a_share_without_memory_beside_the_context_is_refused(tmp_path: Path) -> None:
    small = Node(node_id="small", cpus=8, gpus=1, gpu_memory_mb=4_000)
    with pytest.raises(ResourceError, match=r"0\.125 of a GPU of 4000 MB .*gpus_per_worker"):
        lane_plans(spec(tmp_path, "resources.gpus_per_worker=0.125"), [small])


def test_lanes_by_memory_come_in_two_sizes(tmp_path: Path) -> None:
    packed = spec(tmp_path, "resources.packing=memory")
    small, large = lane_plans(packed, [BOX], [3_000.0] * 9 + [30_000.0])
    assert (small.shape.gpus, small.lanes) == (1 / 8, 48)
    assert (large.shape.gpus, large.lanes) == (1 / 2, 4)
    assert small.memory_mb is not None
    assert large.memory_mb is not None
    assert 3_000 <= small.memory_mb < 30_000 <= large.memory_mb
    assert lane_counts([small, large], [BOX], None) != [0, 0]


def test_without_gpus_all_lanes_have_one_size(tmp_path: Path) -> None:
    packed = spec(tmp_path, "resources.packing=memory")
    sizing = LaneSizing(packed, 8)
    (plan,) = sizing.plans([Node(node_id="a", cpus=2)])
    assert plan == LanePlan(lanes=2)
    assert sizing.counts([plan], [Node(node_id=n, cpus=2) for n in "ab"]) == [4]
    assert sizing.counts([plan], []) == [0]


def test_memory_needs_are_estimated_only_for_packing_by_memory(
    tmp_path: Path,
) -> None:
    assert LaneSizing(spec(tmp_path), 8).need_mb(CONFIG) is None
    packed = LaneSizing(spec(tmp_path, "resources.packing=memory"), 8)
    need = packed.need_mb(CONFIG)
    assert need is not None
    assert packed.model.profiles == 0
    assert 20 < need < 2000


CONFIG: Config = {
    "arch": "deeplabv3",
    "backbone": "mobilenet_v2",
    "output_stride": 32,
    "resolution": "64x96",
    "batch_size": 4,
}


def add_sweep(tmp_path: Path, name: str, costs: Mapping[str, float], *settings: str) -> None:
    """Write a sweep of one complete trial with these costs to the storage folder."""
    earlier = spec(tmp_path, *settings)
    folder = new_sweep(tmp_path, name)
    folder.spec.write_text(dump_spec(earlier), encoding="utf-8")
    metrics = {"miou": 0.3, "epoch_seconds": 2.0}
    system = {name: 1.0 for name in costs if name.startswith("system/")}
    final = {"macs": 1e9, **{k: v for k, v in costs.items() if k not in system}}
    with Ledger(folder.ledger) as ledger:
        ledger.append(TrialAsked(trial_id="t0", number=0, config=CONFIG))
        ledger.append(TrialStarted(trial_id="t0"))
        ledger.append(EpochReported(trial_id="t0", epoch=1, metrics={**metrics, **system}))
        ledger.append(TrialEnded(trial_id="t0", state="complete", metrics=final, seconds=9.0))


def test_only_gpu_trainings_calibrate_the_memory(tmp_path: Path) -> None:
    packed = spec(tmp_path, "resources.packing=memory")
    add_sweep(tmp_path, "cpu", {"peak_memory_mb": 9e9})
    assert LaneSizing(packed, 8).model == MemoryModel()
    estimate = estimated_needs(packed, 8, "auto")(CONFIG)
    allocated = {"peak_memory_mb": 2 * estimate, "system/gpu_memory_usage_megabytes": 1.0}
    add_sweep(tmp_path, "former", allocated)
    model = LaneSizing(packed, 8).model
    assert model.profiles == 1
    assert model.factor == pytest.approx(2)


def test_reserved_memory_counts_before_allocated_memory(tmp_path: Path) -> None:
    packed = spec(tmp_path, "resources.packing=memory")
    estimate = estimated_needs(packed, 8, "auto")(CONFIG)
    add_sweep(tmp_path, "gpu", {"peak_memory_mb": estimate, "peak_reserved_mb": 3 * estimate})
    assert LaneSizing(packed, 8).model.factor == pytest.approx(3)


def test_an_earlier_training_is_estimated_in_its_own_precision(tmp_path: Path) -> None:
    packed = spec(tmp_path, "resources.packing=memory")
    half, full = (estimated_needs(packed, 8, precision)(CONFIG) for precision in ("bf16", "fp32"))
    assert 0.5 * full < half < full
    figures = {"peak_memory_mb": full, "peak_reserved_mb": full}
    add_sweep(tmp_path, "gpu", figures, "training.precision=fp32")
    sizing = LaneSizing(packed, 8)
    assert sizing.model.factor == pytest.approx(1)
    assert sizing.need_mb(CONFIG) == pytest.approx(sizing.model.upper_mb(half))


def test_the_number_of_lanes_follows_the_room_on_the_cluster() -> None:
    answers: Iterator[list[int] | Exception] = iter(
        [[2], [2], [3], [1], RuntimeError("the head is away"), [2]]
    )
    made: list[list[int]] = []

    def room() -> list[int]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    elastic = Elastic(room, lambda lanes: made.append(list(lanes)))
    for _ in range(6):
        elastic.poll()
    assert made == [[2], [3], [1], [2]]


def test_it_looks_by_itself_until_its_end() -> None:
    import threading

    seen = threading.Event()

    def room() -> list[int]:
        seen.set()
        return [1]

    with Elastic(room, lambda _: None, seconds=0.001):
        assert seen.wait(5)
