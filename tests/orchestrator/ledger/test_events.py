from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialInterrupted,
    TrialJudged,
    TrialProfiled,
    TrialRestored,
    TrialStarted,
    decode,
    encode,
    finite_event,
    nonfinite_text,
)

if TYPE_CHECKING:
    from search_spaces.space import Config


NUMBERS = st.floats(allow_nan=False)
METRICS = st.dictionaries(st.text("abc_", min_size=1), NUMBERS, max_size=3)


@given(METRICS, st.text(max_size=5), st.floats(0, 1e9))
def test_every_event_decodes_to_itself(
    metrics: dict[str, float], text: str, seconds: float
) -> None:
    config: Config = {"arch": "deeplabv3", "width": 1.0, "last_expansion": False}
    events: list[SweepEvent] = [
        TrialAsked(trial_id="a", number=0, config=config, known=metrics, seconds=seconds),
        TrialStarted(trial_id="a", attempt=2, seconds=seconds),
        TrialProfiled(trial_id="a", metrics=metrics, details={"device": text}),
        EpochReported(trial_id="a", epoch=3, metrics=metrics),
        TrialJudged(trial_id="a", action="stop", rung=3, rank=2, of=4, reason=text),
        TrialEnded(trial_id="a", state="complete", metrics=metrics, artifacts=(text, "b")),
        TrialInterrupted(trial_id="a", cause="notice", reason=text),
        TrialRestored(trial_id="a", epoch=1, trained_seconds=seconds),
        TrialExamined(trial_id="a", kind="test", metrics=metrics, ruled_out=text),
    ]
    assert [decode(*encode(event)) for event in events] == events


def test_nan_is_stored_as_text_in_valid_json() -> None:
    kind, text = encode(EpochReported(trial_id="a", epoch=1, metrics={"miou": float("nan")}))
    assert json.loads(text)["metrics"] == {"miou": "nan"}
    event = decode(kind, text)
    assert isinstance(event, EpochReported)
    assert event.metrics["miou"] != event.metrics["miou"]


def test_unknown_fields_of_a_newer_version_are_ignored() -> None:
    assert decode("started", '{"trial_id": "a", "rack": 3}') == TrialStarted(trial_id="a")


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [("paused", "{}", "unknown ledger event 'paused'"), ("started", "{}", "is incomplete")],
)
def test_an_unknown_kind_or_a_missing_field_is_refused(kind: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(kind, text)


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
