from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.ledger.events import TrialInterrupted, TrialProfiled, TrialRestored
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.files import (
    REFERENCE,
    SETTLED_FROM,
    keep_reference,
    make_report,
    read_reference,
    recorded_reference,
)
from orchestrator.report.plot.html import to_html
from orchestrator.report.text import summary, to_json, to_markdown
from orchestrator.spec.objectives import Objective
from orchestrator.spec.parse import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent


def test_a_resumed_sweep_is_measured_from_where_it_was_first(
    tmp_path: Path, demo_events: Callable[..., list[SweepEvent]]
) -> None:
    spec = load_spec(None, overrides=[f"storage.root={tmp_path}", "teacher=null"])
    folder = SweepFolder(tmp_path, "demo-1")
    early = len(demo_events(12))
    with Ledger(folder.ledger) as ledger:
        assert not keep_reference(make_report(spec, folder), ledger, finished=True)
        assert ledger.fact(REFERENCE) is None
        for event in demo_events(12):
            ledger.append(event)
        first = make_report(spec, folder)
        assert first.completed >= SETTLED_FROM
        assert keep_reference(first, ledger, finished=False)
        for event in demo_events(24)[early:]:
            ledger.append(event)
        later = make_report(spec, folder)
    assert read_reference(folder, spec.objectives) == later.reference_point
    assert later.reference_point == first.reference_point
    assert later.hypervolume >= first.hypervolume > 0
    assert [each.hypervolume for each in later.curve[: len(first.curve)]] == [
        each.hypervolume for each in first.curve
    ]


def test_a_few_trials_settle_no_reference_point_before_the_sweep_is_finished(
    tmp_path: Path, demo_events: Callable[..., list[SweepEvent]]
) -> None:
    spec = load_spec(None, overrides=[f"storage.root={tmp_path}", "teacher=null"])
    folder = SweepFolder(tmp_path, "demo-1")
    assert read_reference(folder, spec.objectives) is None
    assert not folder.path.exists()
    with Ledger(folder.ledger) as ledger:
        for event in demo_events(4):
            ledger.append(event)
        report = make_report(spec, folder)
        assert 0 < report.completed < SETTLED_FROM
        assert not keep_reference(report, ledger, finished=False)
        assert read_reference(folder, spec.objectives) is None
        assert keep_reference(report, ledger, finished=True)
    assert read_reference(folder, spec.objectives) == report.reference_point


@pytest.mark.parametrize(
    "fact",
    [None, "?", [], {"miou": 1}, {"miou": "x", "flops": 1}, {"miou": float("nan"), "flops": 1}],
)
def test_a_broken_reference_point_counts_as_none(fact: object) -> None:
    aims = (Objective("miou", "maximize"), Objective("flops", "minimize"))
    assert recorded_reference(fact, aims) is None
    assert recorded_reference({"miou": 0, "flops": 5.0}, aims) == {"miou": 0.0, "flops": 5.0}


def test_every_form_of_the_report_tells_what_interruptions_cost(
    tmp_path: Path, demo_events: Callable[..., list[SweepEvent]]
) -> None:
    spec = load_spec(
        None,
        overrides=[f"storage.root={tmp_path}", "teacher=null", "resources.train_workers=2"],
    )
    folder = SweepFolder(tmp_path, "demo-1")
    with Ledger(folder.ledger) as ledger:
        for event in demo_events(4):
            ledger.append(event)
            if isinstance(event, TrialProfiled) and ledger.fact("lost") is None:
                ledger.set_fact("lost", event.trial_id)
                gone, again = event.seconds + 0.25, event.seconds + 0.25
                lost = event.trial_id
                ledger.append(TrialInterrupted(trial_id=lost, cause="notice", seconds=gone))
                ledger.append(TrialInterrupted(trial_id=lost, cause="preemption", seconds=gone))
                ledger.append(
                    TrialRestored(trial_id=lost, epoch=0, trained_seconds=0.0, seconds=again)
                )
    report = make_report(spec, folder)
    assert report.interruptions.device_seconds_again == pytest.approx(2 * 0.25)
    line = "1 interruption of trials (1 by preemption), 1 notice of preemption"
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary(report))
    facts = json.loads(to_json(report))["interruptions"]
    assert facts == report.interruptions.facts()
    assert facts["by_preemption"] == facts["notices"] == 1
    for told in (console.export_text(), to_markdown(report), to_html(report)):
        assert line in told
