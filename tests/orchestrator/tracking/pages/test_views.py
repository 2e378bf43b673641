from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.tracking.pages.views import comparison_view, sweep_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective
    from orchestrator.tracking.pages.saved_view import SavedView

KEYS = ["epoch/miou", "epoch/val_loss", "flops", "latency_ms", "miou", "pareto_rank", "params"]


@pytest.fixture
def report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> SweepReport:
    return build_report(fold(demo_events(12)), objectives, sweep_id="demo_1")


def unpacked(view: SavedView) -> dict[str, Any]:
    told = json.loads(view.value(5))
    kind, packed = told["state"].split(";")
    assert (kind, told["createdAt"], told["name"]) == ("deflate", 5, view.name)
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def test_a_sweeps_view_has_the_charts_that_matter(report: SweepReport) -> None:
    state = unpacked(sweep_view(report, parent_run_id="r", metric_keys=KEYS))
    charts = [card for card in state["compareRunCharts"] if not card["deleted"]]
    assert [card["type"] for card in charts] == [
        *("SCATTER", "SCATTER", "SCATTER", "CONTOUR"),
        "PARALLEL",
        *("LINE", "LINE"),
    ]
    assert charts[0]["xaxis"] == {"key": "latency_ms", "type": "METRIC"}
    assert charts[1]["xaxis"] == {"key": "flops", "type": "METRIC"}
    assert {"backbone", "learning_rate"} <= set(charts[4]["selectedParams"])
    assert charts[4]["selectedMetrics"][-1] == "miou"
    assert "tags.`mlflow.parentRunId` = 'r'" in state["searchFilter"]


def test_no_metric_gets_a_chart_by_itself(report: SweepReport) -> None:
    state = unpacked(sweep_view(report, parent_run_id="r", metric_keys=KEYS))
    kept_away = {c["metricKey"] for c in state["compareRunCharts"] if c["deleted"]}
    assert kept_away == set(KEYS)


def test_every_card_lies_in_a_section_and_ids_are_unique(report: SweepReport) -> None:
    for view in (
        sweep_view(report, parent_run_id="r", metric_keys=KEYS),
        comparison_view(["miou", "latency_ms"]),
    ):
        state = unpacked(view)
        sections = {section["uuid"] for section in state["compareRunSections"]}
        ids = [card["uuid"] for card in state["compareRunCharts"]]
        assert {card["metricSectionId"] for card in state["compareRunCharts"]} <= sections
        assert len(set(ids)) == len(ids)


def test_the_front_has_a_view_of_its_own(report: SweepReport) -> None:
    whole = sweep_view(report, parent_run_id="r", metric_keys=KEYS)
    front = sweep_view(report, parent_run_id="r", metric_keys=KEYS, front_only=True)
    assert front.search == f"{whole.search} AND tags.`pareto` = 'true'"
    assert front.tag != whole.tag
