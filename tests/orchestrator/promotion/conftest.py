from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.records import fold
from orchestrator.report.model import build_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.events import Objective, SweepEvent
    from orchestrator.report.model import SweepReport


@pytest.fixture
def make_report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> Callable[..., SweepReport]:
    """Return a function from a seed to the report of a plausible sweep."""

    def make(seed: int = 0, trials: int = 12) -> SweepReport:
        events = demo_events(trials, seed=seed)
        return build_report(fold(events), objectives, sweep_id="demo-1")

    return make
