"""The cost of one configuration on one target."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trainables.artifacts.formats import write_artifact
from trainables.compression.deployed import build_pruned, stand_in
from trainables.cost.latency import LatencyMeasurement, measure_artifact, measure_latency
from trainables.cost.macs import static_costs
from trainables.cost.targets import artifact_format, quantization_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.config import TrialConfig
    from search_spaces.domains import Value
    from trainables.config import TargetConfig


class Measuring(Protocol):
    """Opens a context in which nothing of ours computes beside a measurement."""

    def __call__(self, *, pause: bool = True) -> AbstractContextManager[object]:
        """Return the context; without ``pause`` the trainings of this node go on.

        Its value is False where trainings could not be paused.
        """


PRECISION = {"none": "fp32", "fp16": "fp16", "ptq_int8": "int8", "qat_int8": "int8"}
"""Type of the deployed weights by ``quantization``."""
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
    bops: int | None = None
    """MACs times the bits of a weight times the bits of an activation; None in old records."""
    artifact_bytes: int | None = None
    """Size of the file that the target runs, > 0; None where it runs no file."""
    latency: LatencyMeasurement | None = None
    """Latency on the target; None where it was not asked for."""

    def metrics(self) -> dict[str, float]:
        """Return the figures by name: ``params``, ``macs``, ``flops``, ``latency_ms``, ..."""
        found: dict[str, float] = {"params": self.params, "macs": self.macs, "flops": self.flops}
        for name in ("bops", "artifact_bytes"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        if self.latency is not None:
            found |= {name: getattr(self.latency, name) for name in LATENCY_METRICS}
        return found

    def details(self) -> dict[str, Value]:
        """Return how the latency was measured: device, runtime, threads, ...; else nothing."""
        if self.latency is None:
            return {}
        found = asdict(self.latency)
        return {
            name: value
            for name, value in found.items()
            if name not in LATENCY_METRICS and value is not None
        }

    @property
    def sound(self) -> bool:
        """Whether the profile may be used again: its latency, if any, was undisturbed."""
        return self.latency is None or self.latency.undisturbed

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


def unguarded(*, pause: bool = True) -> AbstractContextManager[object]:  # noqa: ARG001
    """Return a context that pauses nothing."""
    return nullcontext()


def profile_config(
    config: TrialConfig,
    num_classes: int,
    target: TargetConfig,
    *,
    latency: bool = True,
    channels_last: bool = True,
    measuring: Measuring = unguarded,
) -> CostProfile:
    """Return the cost of ``config``, measured on an untrained model: weights do not change it.

    Args:
        config: The configuration.
        num_classes: Channels of the logits, >= 1.
        target: Where latency is measured.
        latency: Measure it; otherwise there is no forward pass.
        channels_last: Lay tensors in NHWC order for the latency.
        measuring: Opens a context in which the trainings of the node pause
            (``QuietNode.measuring``, ``TrialSession.measuring``); entered for the timing only.

    Raises:
        ValueError: the configuration cannot be built, or the target cannot run it.
        RuntimeError: the target needs a GPU and there is none, or it cannot load the artifact.
        MissingExtraError: an exporter or a runtime is not installed.
    """
    costs = static_costs(config, num_classes)
    static = CostProfile(
        params=costs["params"], macs=costs["macs"], flops=costs["flops"], bops=costs["bops"]
    )
    if not latency:
        return static
    if fault := quantization_fault(target, config.quantization):
        raise ValueError(fault)
    if artifact_format(target) is not None:
        return _profile_artifact(static, config, num_classes, target, measuring)
    model = build_pruned(config, num_classes)
    if config.quantization == "fp16":
        model = model.half()
    with measuring() as quiet:
        measured = measure_latency(model, config.resolution, target, channels_last=channels_last)
    return replace(static, latency=measured if quiet is not False else beside_trainings(measured))


def beside_trainings(measured: LatencyMeasurement) -> LatencyMeasurement:
    """Return ``measured`` marked as disturbed by trainings that did not pause."""
    reason = measured.disturbance or "trainings of this node did not pause in time"
    return replace(measured, undisturbed=False, disturbance=reason)


def _profile_artifact(
    static: CostProfile,
    config: TrialConfig,
    num_classes: int,
    target: TargetConfig,
    measuring: Measuring,
) -> CostProfile:
    """Return ``static`` with size and latency of an artifact made for it, which is then gone."""
    precision = PRECISION[config.quantization]
    with tempfile.TemporaryDirectory(prefix="segsweep-artifact-") as folder:
        path = Path(folder) / f"model.{artifact_format(target)}"
        model = stand_in(config, num_classes)
        write_artifact(model, config.resolution, path, batch_size=target.batch_size)
        with measuring(pause=target.name != "command") as quiet:
            measured = measure_artifact(path, config.resolution, target, precision=precision)
        size = path.stat().st_size
    if quiet is False:
        measured = beside_trainings(measured)
    return replace(static, latency=measured, artifact_bytes=size)
