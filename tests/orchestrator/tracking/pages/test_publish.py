from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import TrialExamined
from orchestrator.ledger.records import SweepRecords, fold
from orchestrator.report.model import build_report
from orchestrator.tracking.pages.publish import publish, publish_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.runs.projection import Point


class MemoryReports:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.experiment_id = "7"
        self.parent_run_id = "parent"
        self.run_ids = {f"t{number:05d}": f"run{number}" for number in range(40)}
        self.points: set[Point] = set()
        self.tags: dict[str, str] = {}
        self.experiment: dict[str, str] = {}
        self.files: dict[str, bytes] = {}

    def push_sweep(
        self, points: Sequence[Point] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        self.points |= set(points)
        self.tags |= tags or {}

    def upload(self, folder: Path, under: str) -> None:
        self.files |= {f"{under}/{path.name}": path.read_bytes() for path in folder.iterdir()}

    def experiment_tags(self) -> dict[str, str]:
        return dict(self.experiment)

    def tag_experiment(self, tags: Mapping[str, str | None]) -> None:
        for key, value in tags.items():
            if value is None:
                del self.experiment[key]
            else:
                self.experiment[key] = value

    def metric_keys(self) -> list[str]:
        return ["epoch/miou", "flops", "latency_ms", "miou", "pareto_rank"]

    def curve(self) -> dict[int, list[float]]:
        found: dict[int, list[float]] = {}
        for point in sorted(self.points, key=lambda point: point.step):
            if point.key == "hypervolume":
                found.setdefault(point.step, []).append(point.value)
        return found


@pytest.fixture
def store() -> MemoryReports:
    return MemoryReports()


def test_page_files_curve_and_three_views_are_there(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], store: MemoryReports
) -> None:
    records = fold(demo_events(12))
    place = publish(build_report(records, info.objectives, sweep_id=info.sweep_id), info, store)
    note = store.tags["mlflow.note.content"]
    assert "get-artifact?path=pareto%2Fthumbnail.png&run_uuid=parent" in note
    assert place.view("") in note
    assert "d1g35t" in note
    assert store.files["pareto/thumbnail.png"].startswith(b"\x89PNG")
    report = json.loads(store.files["pareto/report.json"])
    assert report["sweep_id"] == "demo-1"
    assert len(store.experiment) == 3
    curve = store.curve()
    assert len(curve) == len(records.complete)
    assert list(curve.values())[-1] == [report["hypervolume"]]
    for address in (place.view("http://h"), place.front("http://h"), place.comparison("http://h")):
        key = address.split("viewStateShareKey=")[1].split("&")[0]
        assert f"mlflow.sharedViewState.{key}" in store.experiment


def figures(
    records: SweepRecords,
    info: SweepInfo,
    store: MemoryReports,
    reference: Mapping[str, float] | None = None,
) -> SweepReport:
    """Publish without drawing pictures."""
    report = build_report(
        records, info.objectives, sweep_id=info.sweep_id, reference_point=reference
    )
    publish_figures(report, info, store)
    return report


def test_publishing_again_changes_nothing(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], store: MemoryReports
) -> None:
    records = fold(demo_events(12))
    figures(records, info, store)
    before = (set(store.points), dict(store.tags), dict(store.experiment))
    figures(records, info, store)
    assert (store.points, store.tags, store.experiment) == before


def test_the_curve_of_a_resumed_sweep_is_extended(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], store: MemoryReports
) -> None:
    report = figures(fold(demo_events(6)), info, store)
    first = store.curve()
    figures(fold(demo_events(30)), info, store, report.reference_point)
    curve = store.curve()
    assert all(len(values) == 1 for values in curve.values())
    assert first.items() <= curve.items()
    flat = [value for values in curve.values() for value in values]
    assert flat == sorted(flat)


def test_the_curve_waits_for_a_reference_point_that_stays(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], store: MemoryReports
) -> None:
    early = build_report(fold(demo_events(4)), info.objectives, sweep_id=info.sweep_id)
    publish_figures(early, info, store, settled=False)
    assert not store.curve()
    assert {point.key for point in store.points} >= {"front_size"}
    whole = figures(fold(demo_events(12)), info, store)
    assert list(store.curve().values()) == [[each.hypervolume] for each in whole.curve]


def test_an_empty_sweep_can_be_published(info: SweepInfo, store: MemoryReports) -> None:
    figures(SweepRecords(), info, store)
    assert "No trial has completed" in store.tags["mlflow.note.content"]
    assert "reference_point" not in store.tags


def test_the_agreement_of_val_and_test_is_a_figure_of_the_sweep(
    demo_events: Callable[..., list[SweepEvent]], info: SweepInfo, store: MemoryReports
) -> None:
    events = demo_events(12)
    front = build_report(fold(events), info.objectives, sweep_id="demo").front
    events += [
        TrialExamined(
            trial_id=row.trial_id, kind="test", metrics={"test_miou": 1 - row.metrics["miou"]}
        )
        for row in front
    ]
    report = build_report(fold(events), info.objectives, sweep_id="demo")
    publish_figures(report, info, store)
    assert [point.value for point in store.points if point.key == "test_kendall_tau"] == [-1.0]
    assert "Kendall's tau between the splits -1.00" in store.tags["mlflow.note.content"]
