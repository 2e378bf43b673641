from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.cli.shared.live_table import LiveTable, PlainLines, picture, show
from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialExamined, TrialStarted
from orchestrator.report.progress import ProgressModel
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.orchestrator.cli.conftest import WholeTrial

OBJECTIVES = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))
LAST = "1/3 trials, best mIoU 0.250 (t00000), hypervolume 2.3%, 1 min 01 s, about 6 s left"


def _model() -> ProgressModel:
    return ProgressModel(trials=3, epochs=1, objectives=OBJECTIVES)


def test_plain_lines_report_every_state_of_a_trial(
    publish: Callable[..., None], whole_trial: WholeTrial
) -> None:
    stream = io.StringIO()
    lines = PlainLines(_model(), stream, lambda: 61.0)
    lines.stage("starting\x1b[2J Ray")
    for event in whole_trial(0, 0.25, 5.0):
        publish(lines, event)
    assert stream.getvalue().splitlines() == [
        "starting\\x1b[2J Ray",
        "t00000 started: deeplabv3",
        "t00000 epoch 1/1: mIoU 0.250, loss -",
        "t00000 complete: mIoU 0.250, 5.0 ms, 0.50 GFLOPs | " + LAST,
    ]


def test_examinations_after_the_search_are_a_line_each(
    publish: Callable[..., None], whole_trial: WholeTrial
) -> None:
    stream = io.StringIO()
    lines = PlainLines(_model(), stream, lambda: 61.0)
    for event in whole_trial(0, 0.25, 5.0):
        publish(lines, event)
    before = len(stream.getvalue().splitlines())
    loud = {"latency_ms": 5.5, "latency_undisturbed": 0.0}
    for event in (
        TrialExamined(trial_id="t00000", kind="latency", metrics=loud),
        TrialExamined(trial_id="t00000", kind="latency", metrics=loud, ruled_out="5.5 breaks 5"),
        TrialExamined(trial_id="t00000", kind="latency", reason="no converter"),
        TrialExamined(trial_id="t00000", kind="test", metrics={"test_miou": 0.2}),
    ):
        publish(lines, event)
    assert stream.getvalue().splitlines()[before:] == [
        "t00000 measured again: ~5.5 ms",
        "t00000 measured again: 5.5 breaks 5",
        "t00000: measuring latencies again, interleaved failed: no converter",
        "t00000 test mIoU 0.200",
    ]


def test_an_earlier_run_is_one_line(publish: Callable[..., None], whole_trial: WholeTrial) -> None:
    stream = io.StringIO()
    lines = PlainLines(_model(), stream, lambda: 61.0)
    for event in whole_trial(0, 0.25, 5.0):
        publish(lines, event, replayed=True)
    lines.stage("starting Ray")
    publish(lines, TrialAsked(trial_id="t1", number=1, config={"arch": "deeplabv3"}))
    publish(lines, TrialStarted(trial_id="t1"))
    assert stream.getvalue().splitlines() == [
        f"resumed: {LAST}",
        "starting Ray",
        "t1 started: deeplabv3",
    ]


def test_a_second_attempt_is_called_one(publish: Callable[..., None]) -> None:
    stream = io.StringIO()
    lines = PlainLines(_model(), stream, lambda: 0.0)
    publish(lines, TrialAsked(trial_id="t0", number=0, config={}))
    publish(lines, TrialStarted(trial_id="t0", attempt=2))
    assert "again (attempt 2)" in stream.getvalue()


def test_the_picture_fits_the_terminal_and_keeps_what_runs(
    publish: Callable[..., None], whole_trial: WholeTrial
) -> None:
    model = _model()
    for number in range(9):
        for event in whole_trial(number, 0.1, 5.0)[: 2 if number == 0 else 5]:
            publish(model, event)
    console = Console(width=60, height=10, file=io.StringIO(), record=True)
    console.print(picture(model.view(3.0), 4, "warming"))
    lines = console.export_text().splitlines()
    shown = [line[:6] for line in lines if line.startswith("t0")]
    assert shown == ["t00000", "t00006", "t00007", "t00008"]
    assert all(len(line) <= 60 for line in lines)
    assert "warming" in lines[-1]


def test_reasons_are_no_markup(publish: Callable[..., None]) -> None:
    model = _model()
    publish(model, TrialAsked(trial_id="t0", number=0, config={}))
    publish(model, TrialStarted(trial_id="t0"))
    publish(model, TrialEnded(trial_id="t0", state="failed", reason="[bold]x[/nothing]"))
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(picture(model.view(0.0), 3))
    assert "[bold]x[/nothing]" in console.export_text()


def test_the_table_is_live_on_a_terminal_only(
    publish: Callable[..., None], whole_trial: WholeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    with show(_model(), lambda: 0.0, stream=stream) as screen:
        assert isinstance(screen, PlainLines)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    with show(_model(), lambda: 0.0, stream=stream) as screen:
        assert isinstance(screen, LiveTable)
        screen.stage("starting Ray")
        for event in whole_trial(0, 0.25, 5.0):
            publish(screen, event)
    assert "t00000" in stream.getvalue()
