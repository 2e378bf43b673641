"""The cost of one configuration on one target."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trainables.compression.deployed import build_pruned, stand_in
from trainables.cost.latency import LatencyMeasurement, measure_artifact, measure_latency
from trainables.cost.macs import static_costs
from trainables.cost.targets import artifact_format, quantization_fault
from trainables.formats.artifact import write_artifact
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from search_spaces.config import TrialConfig
    from search_spaces.domains import Value
    from trainables.config import TargetConfig


class Measuring(Protocol):
    """Opens a context in which the trainings of this node pause for a measurement."""

    def __call__(self, *, pause: bool = True) -> AbstractContextManager[object]:
        """Return the context; without ``pause`` the trainings of this node continue.

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
    """Latency on the target; None where it was not measured."""

    def metrics(self) -> dict[str, float]:
        """Return the figures by name: ``params``, ``macs``, ``flops``, ``latency_ms``, ..."""
        metrics: dict[str, float] = {"params": self.params, "macs": self.macs, "flops": self.flops}
        for name in ("bops", "artifact_bytes"):
            if (value := getattr(self, name)) is not None:
                metrics[name] = value
        if self.latency is not None:
            metrics |= {name: getattr(self.latency, name) for name in LATENCY_METRICS}
            metrics[UNDISTURBED] = float(self.latency.undisturbed)
        return metrics

    def details(self) -> dict[str, Value]:
        """Return how the latency was measured (device, runtime, threads, ...); else nothing."""
        if self.latency is None:
            return {}
        return {
            name: value
            for name, value in asdict(self.latency).items()
            if name not in LATENCY_METRICS and value is not None
        }

    @property
    def sound(self) -> bool:
        """Whether the profile may be reused: its latency, if any, was undisturbed."""
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
        channels_last: Store tensors in NHWC order for the latency.
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
    with tempfile.TemporaryDirectory(prefix="segsweep-artifact-") as folder:
        timed = timed_network(
            config, num_classes, target, Path(folder), channels_last=channels_last
        )
        measured = timed.measure(measuring)
    return replace(static, latency=measured, artifact_bytes=timed.artifact_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedNetwork:
    """A network that is ready for latency measurements."""

    target: TargetConfig
    """Where it is measured."""
    run: Callable[[], LatencyMeasurement]
    """Measures it once."""
    artifact_bytes: int | None = None
    """Size of the file that the target runs, > 0; None where it runs no file."""

    def measure(self, measuring: Measuring = unguarded) -> LatencyMeasurement:
        """Return the latency, marked as disturbed where trainings of this node did not pause."""
        with measuring(pause=self.target.name != "command") as quiet:
            measured = self.run()
        return measured if quiet is not False else _beside_trainings(measured)


def timed_network(
    config: TrialConfig,
    num_classes: int,
    target: TargetConfig,
    folder: Path,
    *,
    channels_last: bool = True,
) -> TimedNetwork:
    """Return ``config``'s untrained network as the target runs it: weights change no latency.

    An artifact is written into ``folder`` where the target runs a file.

    Raises:
        ValueError: the configuration cannot be built, or the target cannot run it.
        MissingExtraError: an exporter or a runtime is not installed.
    """
    if fault := quantization_fault(target, config.quantization):
        raise ValueError(fault)
    suffix = artifact_format(target)
    if suffix is None:
        model = build_pruned(config, num_classes)
        if config.quantization == "fp16":
            model = model.half()
        return TimedNetwork(
            target=target,
            run=lambda: measure_latency(
                model, config.resolution, target, channels_last=channels_last
            ),
            artifact_bytes=None,
        )
    path = folder / f"model.{suffix}"
    untrained = stand_in(config, num_classes)
    write_artifact(untrained, config.resolution, path, batch_size=target.batch_size)
    return TimedNetwork(
        target=target,
        run=lambda: measure_artifact(
            path, config.resolution, target, precision=PRECISION[config.quantization]
        ),
        artifact_bytes=path.stat().st_size,
    )


def best_measurement(measured: Sequence[LatencyMeasurement]) -> LatencyMeasurement:
    """Return the measurement to use of at least one repeated measurement.

    That is the (lower) median of the undisturbed ones. Without any it is the smallest, since other
    load only adds to a latency.
    """
    ordered = sorted(measured, key=lambda measurement: measurement.latency_ms)
    undisturbed = [measurement for measurement in ordered if measurement.undisturbed]
    return undisturbed[(len(undisturbed) - 1) // 2] if undisturbed else ordered[0]


def _beside_trainings(measured: LatencyMeasurement) -> LatencyMeasurement:
    reason = measured.disturbance or "trainings of this node did not pause in time"
    return replace(measured, undisturbed=False, disturbance=reason)
