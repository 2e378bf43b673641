from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.capacity.nodes import Node, node_of, nodes_of
from cluster.capacity.packing import Demand, LanePlace, LaneShape, pack, room

SHARES = st.sampled_from([0.0, 0.1, 0.125, 0.25, 0.3, 0.5, 1.0, 2.0])


@st.composite
def clusters(draw: st.DrawFn) -> list[Node]:
    return [
        Node(
            node_id=f"n{number:02d}",
            cpus=draw(st.sampled_from([0, 1, 2, 3.5, 8, 64])),
            gpus=(gpus := draw(st.integers(0, 4))),
            gpu_type=draw(st.sampled_from(["H100", "L4"])) if gpus else None,
            memory_mb=draw(st.sampled_from([None, 1000.0, 64000.0])),
            labels=draw(st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}])),
        )
        for number in range(draw(st.integers(1, 5)))
    ]


@st.composite
def shapes(draw: st.DrawFn, name: str = "one") -> LaneShape:
    return LaneShape(
        name=name,
        workers=draw(st.integers(1, 3)),
        cpus=draw(st.sampled_from([0.1, 0.5, 1.0, 2.0])),
        gpus=draw(SHARES),
        memory_mb=draw(st.sampled_from([0.0, 300.0, 5000.0])),
        gpu_type=draw(st.sampled_from([None, None, "H100"])),
        labels=draw(st.sampled_from([{}, {}, {"zone": "a"}])),
    )


def used(places: tuple[LanePlace, ...], kinds: dict[str, LaneShape]) -> dict[str, Counter[str]]:
    """Return the resources that lanes take of each node and of each GPU."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for place in places:
        shape = kinds[place.shape]
        for node, gpus in zip(place.nodes, place.gpus, strict=True):
            found[node]["cpus"] += round(shape.cpus * 10_000)
            found[node]["memory"] += round(shape.memory_mb * 10_000)
            for gpu in gpus:
                found[node][f"gpu{gpu}"] += round(min(1.0, shape.gpus) * 10_000)
    return found


@given(nodes=clusters(), small=shapes("small"), large=shapes("large"), fewest=st.integers(0, 2))
def test_no_node_and_no_gpu_is_promised_twice(
    nodes: list[Node], small: LaneShape, large: LaneShape, fewest: int
) -> None:
    places = pack(nodes, [Demand(shape=small, at_least=fewest), Demand(shape=large, at_least=1)])
    if places is None:
        return
    kinds = {"small": small, "large": large}
    taken = used(places, kinds)
    for node in nodes:
        assert taken[node.node_id]["cpus"] <= node.cpus * 10_000
        if node.memory_mb is not None:
            assert taken[node.node_id]["memory"] <= node.memory_mb * 10_000
        assert all(taken[node.node_id][f"gpu{gpu}"] <= 10_000 for gpu in range(node.gpus))
    by_id = {node.node_id: node for node in nodes}
    for place in places:
        shape = kinds[place.shape]
        assert len(place.nodes) == len(place.gpus) == shape.workers
        for name, gpus in zip(place.nodes, place.gpus, strict=True):
            assert by_id[name].suits(shape.gpu_type, shape.labels)
            assert len(gpus) == (0 if shape.gpus == 0 else max(1, int(shape.gpus)))
            assert all(gpu < by_id[name].gpus for gpu in gpus)


@given(nodes=clusters(), small=shapes("small"), large=shapes("large"))
def test_no_shape_starves(nodes: list[Node], small: LaneShape, large: LaneShape) -> None:
    places = pack(nodes, [Demand(shape=small), Demand(shape=large)])
    if places is None:
        return
    assert {place.shape for place in places} == {"small", "large"}


@given(nodes=clusters(), shape=shapes(), seed=st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_nodes(
    nodes: list[Node], shape: LaneShape, seed: object
) -> None:
    mixed = list(nodes)
    seed.shuffle(mixed)  # type: ignore[attr-defined]
    demands = [Demand(shape=shape, at_least=0)]
    assert pack(mixed, demands) == pack(nodes, demands)


@given(nodes=clusters(), shape=shapes())
def test_no_further_lane_fits(nodes: list[Node], shape: LaneShape) -> None:
    fitting = room(nodes, shape)
    assert pack(nodes, [Demand(shape=shape, at_least=fitting)]) is not None
    assert pack(nodes, [Demand(shape=shape, at_least=fitting + 1)]) is None


@given(nodes=clusters(), shape=shapes(), extra=st.integers(1, 8))
def test_a_node_that_joins_takes_no_lane_away(
    nodes: list[Node], shape: LaneShape, extra: int
) -> None:
    joined = Node(node_id="zz", cpus=extra, gpus=1, gpu_type="H100", labels={"zone": "a"})
    assert room([*nodes, joined], shape) >= room(nodes, shape)
    assert room(nodes[1:], shape) <= room(nodes, shape)


@given(nodes=clusters(), shape=shapes(), most=st.integers(0, 5))
def test_lanes_do_not_exceed_the_maximum(nodes: list[Node], shape: LaneShape, most: int) -> None:
    places = pack(nodes, [Demand(shape=shape, at_least=0, at_most=most)])
    assert places is not None
    assert len(places) == min(most, room(nodes, shape))


@pytest.mark.parametrize(
    ("cpus", "each", "workers", "lanes"),
    [([3, 3], 2, 1, 2), ([3, 3], 2, 2, 1), ([2, 2, 1], 1, 2, 2), ([1, 1, 1, 1], 2, 1, 0)],
)
def test_lanes_fit_on_single_nodes_and_not_on_their_sum(
    cpus: list[float], each: float, workers: int, lanes: int
) -> None:
    nodes = [Node(node_id=str(i), cpus=n) for i, n in enumerate(cpus)]
    assert room(nodes, LaneShape(name="a", cpus=each, workers=workers)) == lanes


def test_shares_of_a_gpu_fill_it_before_the_next_is_broken() -> None:
    box = Node(node_id="box", cpus=64, gpus=2)
    quarter = LaneShape(name="quarter", gpus=0.25)
    whole = LaneShape(name="whole", gpus=1)
    places = pack([box], [Demand(shape=quarter, at_least=4, at_most=4), Demand(shape=whole)])
    assert places is not None
    assert Counter((p.shape, p.gpus) for p in places) == {
        ("whole", ((0,),)): 1,
        ("quarter", ((1,),)): 4,
    }


def test_a_gpu_node_in_rays_words() -> None:
    resources = {"CPU": 8.0, "GPU": 2.0, "accelerator_type:H100": 1.0, "memory": 3e9, "node:x": 1.0}
    node = node_of("a", resources, {"zone": "a"})
    assert node == Node(
        node_id="a", cpus=8, gpus=2, gpu_type="H100", memory_mb=3000, labels={"zone": "a"}
    )
    dead = {"NodeID": "b", "Alive": False, "Resources": {}}
    alive = {"NodeID": "a", "Alive": True, "Resources": resources, "Labels": {"zone": "a"}}
    assert nodes_of([dead, alive]) == (node,)
