"""Labels of metrics."""

from __future__ import annotations

import math

import pytest

from orchestrator.report.labels import label


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("flops", 2.5e9, "2.500"),
        ("params", 1.234e6, "1.23"),
        ("miou", 0.5, "0.5000"),
        ("energy_j", 2500.0, "2.50"),
        ("miou", None, "-"),
        ("miou", math.nan, "-"),
        ("val_loss", 0.25, "0.2500"),
    ],
)
def test_values_are_shown_in_the_unit_of_the_label(
    name: str, value: float | None, text: str
) -> None:
    assert label(name).show(value) == text


def test_headings_have_the_unit() -> None:
    assert label("latency_ms").heading == "latency (ms)"
    assert label("val_loss").heading == "val loss"
