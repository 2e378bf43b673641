from __future__ import annotations

import math

import pytest

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.finite import finite_event, nonfinite_text

BAD = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("bad", BAD)
def test_scores_losses_and_named_figures_are_those_that_matter(bad: float) -> None:
    assert nonfinite_text({"miou": 0.5, "latency_ms": bad}) is None
    assert (
        nonfinite_text({"miou": 0.5, "latency_ms": bad}, ("latency_ms",)) == f"latency_ms is {bad}"
    )
    figures = {"val_loss": bad, "mae_50": bad, "system/power_w": bad}
    assert nonfinite_text(figures) == f"val_loss is {bad}, mae_50 is {bad}"


@pytest.mark.parametrize("bad", BAD)
def test_an_earlier_releases_complete_trial_with_a_broken_loss_has_failed(bad: float) -> None:
    event = TrialEnded(
        trial_id="t", state="complete", metrics={"miou": 0.3, "mae_50": 0.0, "val_loss": bad}
    )
    found = finite_event(event)
    assert isinstance(found, TrialEnded)
    assert (found.state, found.reason) == ("failed", f"val_loss is {bad} at the end")
    assert found.metrics == {"miou": 0.3, "mae_50": 0.0}


def test_other_figures_are_dropped_where_they_are_not_finite() -> None:
    bad = {"flops": 1.0, "latency_ms": math.nan}
    good = {"flops": 1.0}
    pairs: list[tuple[SweepEvent, SweepEvent]] = [
        (
            TrialAsked(trial_id="t", number=0, config={}, known=bad),
            TrialAsked(trial_id="t", number=0, config={}, known=good),
        ),
        (TrialProfiled(trial_id="t", metrics=bad), TrialProfiled(trial_id="t", metrics=good)),
        (
            EpochReported(trial_id="t", epoch=1, metrics=bad),
            EpochReported(trial_id="t", epoch=1, metrics=good),
        ),
        (
            TrialEnded(trial_id="t", state="stopped", metrics=bad),
            TrialEnded(trial_id="t", state="stopped", metrics=good),
        ),
    ]
    for event, expected in pairs:
        assert finite_event(event) == expected
        assert finite_event(expected) is expected
    started = TrialStarted(trial_id="t")
    assert finite_event(started) is started
