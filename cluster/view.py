"""A snapshot of a cluster: its nodes, their GPUs, its sweeps and their lanes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuView:
    """One GPU."""

    uuid: str
    """NVIDIA's identity of the GPU, stable across reboots."""
    name: str
    """Product name."""
    memory_total_mb: float | None = None
    """Memory of the device, megabytes of 1e6 bytes."""
    sample: Mapping[str, Any] | None = None
    """Its latest ``GpuSample``; None where it does not respond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeView:
    """One node."""

    node_id: str
    """Identity of the node."""
    address: str
    """Its address in the cluster's network."""
    cpus: float
    """CPU cores, >= 0."""
    cpus_free: float
    """Unused CPU cores, >= 0."""
    gpus: tuple[GpuView, ...] = ()
    """Its GPUs."""
    gpus_free: float = 0.0
    """Unused GPUs, shares included, >= 0."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Its labels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepView:
    """One sweep that runs on the cluster."""

    sweep_id: str
    """Identity of the sweep."""
    lanes: tuple[Mapping[str, Any], ...] = ()
    """Its lanes that are up: ``lane``, ``node``, ``node_id``, ``gpus``, ``trial``, ``out``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterView:
    """The whole cluster."""

    nodes: tuple[NodeView, ...] = ()
    """Nodes that are alive, in order of their identity."""
    sweeps: tuple[SweepView, ...] = ()
    """Sweeps that run."""

    def to_mapping(self) -> dict[str, object]:
        """Return the view as JSON types."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ClusterView:
        """Return the view of a mapping from ``to_mapping``."""
        return cls(
            nodes=tuple(
                NodeView(**{**node, "gpus": tuple(GpuView(**gpu) for gpu in node["gpus"])})
                for node in mapping["nodes"]
            ),
            sweeps=tuple(
                SweepView(sweep_id=sweep["sweep_id"], lanes=tuple(sweep["lanes"]))
                for sweep in mapping["sweeps"]
            ),
        )
