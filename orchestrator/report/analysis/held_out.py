"""Scores of the front on the test split, and their rank correlation with val."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.ledger.records import TrialRecord

TEST_MIOU = "test_miou"


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Scores of the front on the test split."""

    scored: int
    """Trials of the front with a test mIoU."""
    kendall_tau: float | None = None
    """Kendall's tau-b between ``miou`` and ``test_miou``, in [-1, 1]; None if undefined."""
    reason: str = ""
    """Why it is undefined; empty if it is defined."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Reasons of trials without a score, by trial id."""


def test_miou_of(trial: TrialRecord) -> float | None:
    """Return the trial's mIoU on the test split; None without one."""
    examination = trial.examinations.get("test")
    value = math.nan if examination is None else examination.metrics.get(TEST_MIOU, math.nan)
    return value if math.isfinite(value) else None


def held_out(front: Sequence[str], trials: Sequence[TrialRecord]) -> HeldOut | None:
    """Return the test scores of the trials in ``front``; None if no trial was examined."""
    examined = {each.trial_id: each for each in trials if "test" in each.examinations}
    if not examined:
        return None
    members = [examined[trial_id] for trial_id in front if trial_id in examined]
    scores = [(each.metrics["miou"], test_miou_of(each)) for each in members]
    pairs = [(val, test) for val, test in scores if test is not None]
    tau, reason = kendall_tau([val for val, _ in pairs], [test for _, test in pairs])
    return HeldOut(
        scored=len(pairs),
        kendall_tau=tau,
        reason=reason,
        failed={
            each.trial_id: each.examinations["test"].reason
            for each in members
            if each.examinations["test"].reason
        },
    )


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> tuple[float | None, str]:
    """Return Kendall's tau-b of two rankings, or None with the reason why it is undefined."""
    if len(one) < 2:
        return None, f"needs two scored trials, got {len(one)}"
    from scipy.stats import kendalltau  # type: ignore[import-untyped] # noqa: PLC0415 - slow

    tau = float(kendalltau(one, other).statistic)
    if not math.isfinite(tau):
        return None, "all trials of the front have the same mIoU on one of the two splits"
    return round(tau, 9), ""
