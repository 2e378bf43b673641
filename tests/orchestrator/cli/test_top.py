from __future__ import annotations

import json

from cluster.view import ClusterView, GpuView, NodeView, SweepView
from orchestrator.cli.top import gpu_rows, lane_rows, node_rows, picture

SAMPLE = {
    "utilization": 0.93,
    "memory_used_mb": 12_340.0,
    "power_w": 301.4,
    "temperature_c": 66.0,
    "clock_mhz": 1755.0,
    "throttled_by": ["sw_power_cap"],
    "ecc_uncorrected": 0,
}
VIEW = ClusterView(
    nodes=(
        NodeView(node_id="a" * 56, address="10.0.0.1", cpus=4, cpus_free=4),
        NodeView(
            node_id="b" * 56,
            address="10.0.0.2",
            cpus=16,
            cpus_free=12.5,
            gpus=(
                GpuView(uuid="GPU-1", name="H100", memory_total_mb=80_000, sample=SAMPLE),
                GpuView(uuid="GPU-2", name="H100", memory_total_mb=80_000),
            ),
            gpus_free=0.75,
            labels={"kind": "train", "ray.io/node-id": "b"},
        ),
    ),
    sweeps=(
        SweepView(
            sweep_id="night",
            lanes=(
                {"lane": "lane0", "node_id": "b" * 56, "gpus": ["GPU-1"], "trial": "t00004"},
                {"lane": "lane1", "node_id": "b" * 56, "gpus": ["GPU-2"], "out": "lost"},
                {"lane": "lane2", "node_id": "gone", "node": "host", "gpus": [], "trial": None},
            ),
        ),
    ),
)


def test_nodes_gpus_and_lanes_have_their_figures() -> None:
    assert node_rows(VIEW) == [
        ("10.0.0.1", "0 of 4", "-", ""),
        ("10.0.0.2", "3.5 of 16", "1.25 of 2", "kind=train"),
    ]
    sound, silent = gpu_rows(VIEW)
    assert sound == (
        *("10.0.0.2", "H100", "93 %", "12.3 of 80 GB", "301 W", "66 °C", "1755 MHz"),
        *("sw_power_cap", "0"),
    )
    assert silent[2:] == ("-", "- of 80 GB", "-", "-", "-", "no answer", "-")
    assert lane_rows(VIEW) == [
        ("night", "lane0", "10.0.0.2", "GPU-1", "t00004"),
        ("night", "lane1", "10.0.0.2", "GPU-2", "taken out: lost"),
        ("night", "lane2", "host", "-", "idle"),
    ]


def test_a_view_passes_through_the_log_of_a_job() -> None:
    assert ClusterView.from_mapping(json.loads(json.dumps(VIEW.to_mapping()))) == VIEW


def test_the_picture_holds_all_three_tables() -> None:
    from rich.console import Console

    console = Console(width=160, record=True, file=None)
    with console.capture() as captured:
        console.print(picture(VIEW))
    assert all(word in captured.get() for word in ("10.0.0.2", "sw_power_cap", "t00004", "lost"))
