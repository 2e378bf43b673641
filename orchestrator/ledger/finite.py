"""Removes metrics that are not finite from events."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orchestrator.ledger.events import SweepEvent

QUALITY = frozenset(
    {"train_loss", "val_loss", "miou", "pixel_accuracy", "mae_50", "mae_50_95", "float_miou"}
)
"""Metrics that are not finite after a training has diverged."""


def finite_only(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that are finite."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def nonfinite_text(metrics: Mapping[str, float], names: Collection[str] = ()) -> str | None:
    """Return text on the metrics of ``QUALITY`` and ``names`` that are not finite, None if none."""
    broken = [
        f"{name} is {value}"
        for name, value in metrics.items()
        if not math.isfinite(value) and (name in QUALITY or name in names)
    ]
    return ", ".join(broken) or None


def finite_event(event: SweepEvent) -> SweepEvent:
    """Return ``event`` without metrics that are not finite.

    A complete trial with such a metric of ``QUALITY`` becomes a failed one. Only ledgers of earlier
    releases have such events.
    """
    match event:
        case TrialAsked() if _has_nonfinite(event.known.values()):
            return replace(event, known=finite_only(event.known))
        case TrialEnded(state="complete") if broken := nonfinite_text(event.metrics):
            metrics = finite_only(event.metrics)
            reason = f"{broken} at the end"
            return replace(event, state="failed", reason=reason, metrics=metrics)
        case TrialProfiled() | EpochReported() | TrialEnded() if _has_nonfinite(
            event.metrics.values()
        ):
            return replace(event, metrics=finite_only(event.metrics))
        case _:
            return event


def _has_nonfinite(values: Iterable[float]) -> bool:
    return not all(map(math.isfinite, values))
