"""Display names, units and scales of metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """Display name, unit and scale of a metric."""

    title: str
    unit: str = ""
    factor: float = 1.0
    """Displayed value divided by stored value."""
    digits: int = 3
    """Decimal places."""

    @property
    def heading(self) -> str:
        """The title with its unit in brackets."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def show(self, value: float | None) -> str:
        """Return the scaled value as text; ``-`` for None and values that are not finite."""
        if value is None or not math.isfinite(value):
            return "-"
        return f"{value * self.factor:.{self.digits}f}"


_LABELS = {
    "miou": Label("mIoU", digits=4),
    "pixel_accuracy": Label("pixel accuracy", digits=4),
    "latency_ms": Label("latency", "ms", digits=2),
    "latency_iqr_ms": Label("latency IQR", "ms", digits=2),
    "flops": Label("FLOPs", "G", 1e-9),
    "macs": Label("MACs", "G", 1e-9),
    "bops": Label("BOPs", "G", 1e-9, 1),
    "test_miou": Label("test mIoU", digits=4),
    "float_miou": Label("float mIoU", digits=4),
    "params": Label("parameters", "M", 1e-6, 2),
    "size_mb": Label("size", "MB", digits=2),
    "peak_memory_mb": Label("peak memory", "MB", digits=0),
    "energy_j": Label("energy", "kJ", 1e-3, 2),
}


def label(metric: str) -> Label:
    """Return the label of ``metric``; an unknown one keeps its name and scale."""
    return _LABELS.get(metric, Label(metric.replace("_", " "), digits=4))
