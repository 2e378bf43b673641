from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.codec import decode, encode
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
