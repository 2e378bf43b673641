"""Saved views and addresses."""

from __future__ import annotations

import base64
import json
import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.tracking.pages.views import (
    MAX_TAG_CHARACTERS,
    MAX_VIEWS,
    TAG_PREFIX,
    comparison_view,
    run_address,
    surplus_views,
    sweep_key,
    sweep_view,
    view_address,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective
    from orchestrator.tracking.pages.views import SavedView


def test_addresses_are_those_of_the_ui() -> None:
    assert view_address("http://host:5/", "7", "key") == (
        "http://host:5/#/experiments/7/runs?viewStateShareKey=key"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )
    assert run_address("", "7", "r").startswith("#/experiments/7/runs/r?")
    assert "/r/artifacts/a/b.html?" in run_address("", "7", "r", artifact="a/b.html")


@given(st.text(max_size=30))
def test_a_key_can_stand_in_an_address(sweep_id: str) -> None:
    key = sweep_key(sweep_id)
    assert all(
        character.isascii() and (character.isalnum() or character == "-") for character in key
    )


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
