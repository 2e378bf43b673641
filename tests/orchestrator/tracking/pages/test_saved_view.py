from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.tracking.pages.saved_view import (
    MAX_TAG_CHARACTERS,
    MAX_VIEWS,
    TAG_PREFIX,
    surplus_views,
)
from orchestrator.tracking.pages.views import sweep_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective


@pytest.fixture
def report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> SweepReport:
    return build_report(fold(demo_events(12)), objectives, sweep_id="demo_1")


def test_a_full_run_and_a_wide_space_fit_into_a_tag(report: SweepReport) -> None:
    keys = [f"some_quite_long_metric_name_{number}" for number in range(25)]
    view = sweep_view(report, parent_run_id="0" * 32, metric_keys=keys)
    assert len(view.value(1)) < MAX_TAG_CHARACTERS / 4


def test_a_view_too_large_for_a_tag_is_refused(report: SweepReport) -> None:
    rng = random.Random(0)
    keys = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=60)) for _ in range(400)]
    with pytest.raises(ValueError, match="characters"):
        sweep_view(report, parent_run_id="r", metric_keys=keys).value(1)


def test_the_oldest_views_make_room() -> None:
    tags = {f"{TAG_PREFIX}v{n}": json.dumps({"updatedAt": n}) for n in range(MAX_VIEWS)}
    tags |= {f"{TAG_PREFIX}broken": "?", "other": "x"}
    gone = surplus_views(tags, ["v0", "new"])
    assert gone == [f"{TAG_PREFIX}broken", f"{TAG_PREFIX}v1"]
    assert surplus_views({"other": "x"}, ["new"]) == []
