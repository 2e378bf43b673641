"""Sweep events as JSON text, as a ledger stores them."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

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

_KINDS: dict[str, type[Any]] = {
    "asked": TrialAsked,
    "started": TrialStarted,
    "profiled": TrialProfiled,
    "epoch": EpochReported,
    "judged": TrialJudged,
    "interrupted": TrialInterrupted,
    "restored": TrialRestored,
    "ended": TrialEnded,
    "examined": TrialExamined,
}
_FIELDS = {name: frozenset(field.name for field in fields(kind)) for name, kind in _KINDS.items()}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(event: SweepEvent) -> tuple[str, str]:
    """Return the event's kind and its fields as JSON; NaN and infinities become text."""
    payload = {field.name: getattr(event, field.name) for field in fields(event)}
    return _NAMES[type(event)], json.dumps(_plain(payload), allow_nan=False, separators=(",", ":"))


def decode(kind: str, text: str) -> SweepEvent:
    """Return the event that ``encode`` wrote; unknown fields of a newer version are ignored.

    Raises:
        ValueError: the kind is unknown or the text is not an event of that kind.
    """
    cls = _KINDS.get(kind)
    if cls is None:
        raise ValueError(f"unknown ledger event {kind!r}; known are {', '.join(_KINDS)}")
    payload = json.loads(text)
    known = _FIELDS[kind]
    values = {name: value for name, value in payload.items() if name in known}
    for name in ("metrics", "known"):
        if name in values:
            values[name] = {key: float(value) for key, value in values[name].items()}
    if "artifacts" in values:
        values["artifacts"] = tuple(values["artifacts"])
    try:
        event: SweepEvent = cls(**values)
    except TypeError as error:
        raise ValueError(f"ledger event {kind!r} is incomplete: {error}") from error
    return event


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
