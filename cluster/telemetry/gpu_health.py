"""Judges from samples whether a GPU is fit to train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.telemetry.gpu_sample import GpuSample

Verdict: TypeAlias = Literal["fit", "suspect", "sick"]
"""Fit to train on; suspect, which changes nothing; or sick: its trial moves to another lane."""

THERMAL_SECONDS = 120.0
"""How long a GPU may be throttled by its temperature before it is banned."""
LOST_SAMPLES = 3
"""Samples in a row without a response after which a GPU counts as lost from the bus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The verdict on a GPU and its reason."""

    uuid: str
    """Identity of the GPU."""
    verdict: Verdict
    """The verdict."""
    reason: str = ""
    """Why it is not fit; empty where it is."""


def judge(uuid: str, samples: Sequence[GpuSample | None]) -> Health:
    """Return the verdict on a GPU from its samples, the oldest first.

    A sample of None means that the device did not respond. A GPU is sick if it is lost from the
    bus, had an uncorrected ECC error since the first sample, has rows with pending remapping, or
    was throttled by its temperature without a pause. Values that a device does not report, and
    errors before the first sample, are ignored.

    Source: NVIDIA, "GPU Debug Guidelines" (XID 48, 63, 64, 74, 79: reset or replace the GPU).
    """
    lost = _trailing_lost(samples)
    seen = [sample for sample in samples if sample is not None]
    hot = _throttled_seconds(seen)
    if reason := _sick_reason(lost, seen, hot):
        return Health(uuid=uuid, verdict="sick", reason=reason)
    if hot > 0:
        reason = f"throttled by its temperature for {hot:.0f} s"
        return Health(uuid=uuid, verdict="suspect", reason=reason)
    if lost:
        return Health(uuid=uuid, verdict="suspect", reason=f"no response to {lost} sample(s)")
    return Health(uuid=uuid, verdict="fit")


def _sick_reason(lost: int, seen: Sequence[GpuSample], hot: float) -> str | None:
    if lost >= LOST_SAMPLES:
        return f"lost: no response to {lost} samples"
    if not seen:
        return None
    before, after = seen[0].ecc_uncorrected, seen[-1].ecc_uncorrected
    if before is not None and after is not None and after > before:
        return f"{after - before} uncorrected ECC error(s) in its memory"
    if seen[-1].remap_pending:
        return "rows of its memory are pending remapping, which needs a reset"
    if hot >= THERMAL_SECONDS:
        return f"throttled by its temperature for {hot:.0f} s"
    return None


def _trailing_lost(samples: Sequence[GpuSample | None]) -> int:
    count = 0
    for sample in reversed(samples):
        if sample is not None:
            break
        count += 1
    return count


def _throttled_seconds(seen: Sequence[GpuSample]) -> float:
    """Return how long temperature throttled the GPU without a pause, up to its last sample."""
    begin = None
    for sample in reversed(seen):
        if not sample.slowed_by_heat:
            break
        begin = sample.at
    return 0.0 if begin is None else seen[-1].at - begin
