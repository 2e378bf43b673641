"""The cost of one configuration on one target."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from trainables.cost.latency import LatencyMeasurement, measure_latency
from trainables.cost.macs import static_costs
from trainables.models.build import build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from search_spaces.config import TrialConfig
    from search_spaces.domains import Value
    from trainables.config import TargetConfig

    Quiet: TypeAlias = Callable[[], AbstractContextManager[object]]

LATENCY_METRICS = ("latency_ms", "latency_iqr_ms", "latency_p10_ms", "latency_p90_ms")


@dataclass(frozen=True, kw_only=True, slots=True)
class CostProfile:
    """What a configuration costs, known before its first epoch."""

    params: int
    """Trainable values, > 0."""
    macs: int
    """Multiply-accumulates of one image at the configuration's resolution, > 0."""
    flops: int
    """Twice the MACs."""
    latency: LatencyMeasurement | None = None
    """Latency on the target; None where it was not asked for."""
    quiet: bool | None = None
    """Whether nothing of ours computed during the measurement; None where nobody saw to it."""

    def metrics(self) -> dict[str, float]:
        """Return the figures by name: ``params``, ``macs``, ``flops``, ``latency_ms``, ..."""
        found: dict[str, float] = {"params": self.params, "macs": self.macs, "flops": self.flops}
        if self.latency is not None:
            found |= {name: getattr(self.latency, name) for name in LATENCY_METRICS}
        return found

    def details(self) -> dict[str, Value]:
        """Return how the latency was measured: device, runtime, threads, ...; else nothing."""
        if self.latency is None:
            return {}
        found = asdict(self.latency)
        details = {name: value for name, value in found.items() if name not in LATENCY_METRICS}
        return details if self.quiet is None else {**details, "quiet": self.quiet}

    def to_mapping(self) -> dict[str, object]:
        """Return the profile as JSON types, the form ``from_mapping`` reads."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> CostProfile:
        """Build the profile from JSON types.

        Raises:
            TypeError: names are missing or unknown.
        """
        fields = dict(values)
        latency = fields.pop("latency", None)
        if isinstance(latency, dict):
            fields["latency"] = LatencyMeasurement(**latency)
        return cls(**fields)  # type: ignore[arg-type]


def profile_config(
    config: TrialConfig,
    num_classes: int,
    target: TargetConfig,
    *,
    latency: bool = True,
    channels_last: bool = True,
    measuring: Quiet = nullcontext,
) -> CostProfile:
    """Return the cost of ``config``, measured on an untrained model: weights do not change it.

    Args:
        config: The configuration.
        num_classes: Channels of the logits, >= 1.
        target: Where latency is measured.
        latency: Measure it; otherwise there is no forward pass.
        channels_last: Lay tensors in NHWC order for the latency.
        measuring: Opens a context in which the node stands still (``QuietNode.measuring``,
            ``TrialSession.measuring``); entered for the timing only.

    Raises:
        ValueError: the configuration cannot be built, or what is deployed of it (int8, pruned
            channels) is not the model this times.
        RuntimeError: the target needs a GPU and there is none.
    """
    costs = static_costs(config, num_classes)
    static = CostProfile(params=costs["params"], macs=costs["macs"], flops=costs["flops"])
    if not latency:
        return static
    if config.quantization not in ("none", "fp16"):
        raise ValueError(
            f"quantization={config.quantization}: {target.name} times float models only; "
            "quantize the model, then time the artifact in the runtime that runs it"
        )
    model = build_model(config, num_classes)
    if config.quantization == "fp16":
        model = model.half()
    with measuring() as quiet:
        measured = measure_latency(model, config.resolution, target, channels_last=channels_last)
    return replace(static, latency=measured, quiet=quiet if isinstance(quiet, bool) else None)
