"""Tables of a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.ledger.records import fold
from orchestrator.report.ablation import Ablation, Step
from orchestrator.report.model import build_report
from orchestrator.report.tables import deployable_html, deployable_markdown
from orchestrator.report.text import summary, to_json
from trainables.export.record import Artifact, Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective

FOUND = Verification(images=7, agreement=0.9962, miou=0.4, model_miou=0.41, largest_difference=0.1)


def _report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> SweepReport:
    report = build_report(fold(demo_events(6)), objectives, sweep_id="s")
    trial_id = report.front[0].trial_id
    before = Step(name="uncompressed", figures={**dict.fromkeys(FIGURES), "macs": 4e9, "miou": 0.5})
    after = Step(name="<int8>", figures={**dict.fromkeys(FIGURES), "macs": 1e9, "miou": 0.4})
    artifact = Artifact(
        path=Path("/runs/model.pte"),
        format="pte",
        sha256="ab" * 32,
        size_bytes=6_460_000,
        source="c" * 64,
        verification=FOUND,
    )
    return replace(
        report,
        ablations=(Ablation(trial_id=trial_id, steps=(before, after)),),
        artifacts={trial_id: (artifact,)},
    )


FIGURES = ("miou", "macs", "bops", "latency_ms", "size_mb")


def test_every_page_shows_what_ships(
    demo_events: Callable[..., list[SweepEvent]],
    objectives: tuple[Objective, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = _report(demo_events, objectives)
    Console(width=200).print(summary(report))
    text = capsys.readouterr().out
    markdown = "\n".join(deployable_markdown(report, 5000))
    for page in (text, markdown):
        for words in ("0.4000 (-0.1000)", "1.000 (x0.25)", "model.pte", "6.46", "99.62%"):
            assert words in page
    assert "&lt;int8&gt;" in deployable_html(report)
    found = json.loads(to_json(report))
    assert found["artifacts"][report.front[0].trial_id][0]["sha256"] == "ab" * 32
    assert found["ablation"][0]["steps"][1]["macs"] == 1e9


def test_a_page_without_room_leaves_rows_out(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    report = _report(demo_events, objectives)
    whole = deployable_markdown(report, 5000)
    for room in range(0, 1500, 50):
        lines = deployable_markdown(report, room)
        assert sum(len(line) + 1 for line in lines) <= room
        assert set(lines) <= {*whole} or any("more are in" in line for line in lines)


def test_a_sweep_without_artifacts_has_no_such_section(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> None:
    report = build_report(fold(demo_events(6)), objectives, sweep_id="s")
    assert deployable_html(report) == ""
    assert deployable_markdown(report, 5000) == []
