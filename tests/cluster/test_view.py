from __future__ import annotations

import json

from cluster.view import ClusterView, GpuView, NodeView, SweepView


def test_a_view_survives_its_line_of_json() -> None:
    lane = {"lane": "lane0", "node": "n", "gpus": ["GPU-a"], "trial": None, "out": "lost"}
    view = ClusterView(
        nodes=(
            NodeView(node_id="a", address="10.0.0.1", cpus=4, cpus_free=1.5),
            NodeView(
                node_id="b",
                address="10.0.0.2",
                cpus=8,
                cpus_free=8,
                gpus=(GpuView(uuid="GPU-a", name="H100", sample={"utilization": 0.5}),),
                gpus_free=0.25,
                labels={"ray.io/market-type": "spot"},
            ),
        ),
        sweeps=(SweepView(sweep_id="s", lanes=(lane,)),),
    )
    assert ClusterView.from_mapping(json.loads(json.dumps(view.to_mapping()))) == view
