from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.driver.retention import REMOVED, Retention, removable
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.ledger.records import fold
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from trainables.session.messages import TrialState

OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
STATES: tuple[TrialState, ...] = ("complete", "stopped", "failed", "preempted")


def trial(number: int, state: TrialState | None, miou: float, flops: float) -> list[SweepEvent]:
    name = f"t{number}"
    events: list[SweepEvent] = [
        TrialAsked(trial_id=name, number=number, config={"x": number}, known={"flops": flops}),
        TrialStarted(trial_id=name),
        EpochReported(trial_id=name, epoch=1, metrics={"miou": miou}),
    ]
    if state is not None:
        events.append(TrialEnded(trial_id=name, state=state, metrics={"miou": miou}))
    return events


outcomes = st.lists(
    st.tuples(
        st.sampled_from([None, *STATES]), st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([1, 2])
    ),
    min_size=1,
    max_size=8,
)


@given(outcomes=outcomes, budget=st.integers(0, 100), data=st.data())
def test_only_ended_dominated_trials_lose_weights_and_no_more_than_needed(
    outcomes: list[tuple[TrialState | None, float, int]], budget: int, data: st.DataObject
) -> None:
    events = [e for n, (s, miou, flops) in enumerate(outcomes) for e in trial(n, s, miou, flops)]
    records = fold(events)
    sizes = {t.trial_id: data.draw(st.integers(0, 30)) for t in records.trials}
    chosen = removable(records, OBJECTIVES, sizes, budget)
    assert len(set(chosen)) == len(chosen)
    by_id = {t.trial_id: t for t in records.trials}
    for name in chosen:
        assert by_id[name].state not in {"running", "preempted"}
        if by_id[name].state == "complete":
            mine = by_id[name].metrics
            assert any(
                other.metrics["miou"] >= mine["miou"]
                and other.metrics["flops"] <= mine["flops"]
                and dict(other.metrics) != dict(mine)
                for other in records.complete
            )
    left = sum(sizes.values()) - sum(sizes[name] for name in chosen)
    if chosen:
        assert left + sizes[chosen[-1]] > budget
    if left > budget:
        removed_all = removable(records, OBJECTIVES, sizes, 0)
        assert set(chosen) == set(removed_all)


def weights(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "best.safetensors").write_bytes(bytes(600_000))
    (folder / name / "best.json").write_text("{}")
    (folder / name / "class_iou.json").write_text("{}")


def test_weights_are_removed_after_their_event_is_in_mlflow(
    publish: Callable[..., None], tmp_path: Path
) -> None:
    copied = 0
    retention = Retention(tmp_path, OBJECTIVES, budget_gb=0.001, copied=lambda: copied)
    for number, miou in enumerate([0.2, 0.3]):
        weights(tmp_path, f"t{number}")
        for event in trial(number, "complete", miou, 1):
            publish(retention, event)
    assert (tmp_path / "t0" / "best.safetensors").exists()
    assert "disk_budget_gb" in str(retention.tidy())
    copied = 8
    assert retention.tidy() is None
    assert {path.name for path in (tmp_path / "t0").iterdir()} == {
        REMOVED,
        "best.json",
        "class_iou.json",
    }
    assert (tmp_path / "t1" / "best.safetensors").exists()


def test_a_budget_that_the_front_exceeds_is_reported(
    publish: Callable[..., None], tmp_path: Path
) -> None:
    retention = Retention(tmp_path, OBJECTIVES, budget_gb=0.0001, copied=lambda: 99)
    weights(tmp_path, "t0")
    for event in trial(0, "complete", 0.4, 1):
        publish(retention, event)
    assert (tmp_path / "t0" / "best.safetensors").exists()
    assert "disk_budget_gb" in str(retention.tidy())


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_incomplete_trials_lose_their_weights_first(
    publish: Callable[..., None], tmp_path: Path, state: TrialState
) -> None:
    retention = Retention(tmp_path, OBJECTIVES, budget_gb=0.0013, copied=lambda: 99)
    for number, (end, miou) in enumerate([("complete", 0.2), ("complete", 0.3), (state, 0.9)]):
        weights(tmp_path, f"t{number}")
        for event in trial(number, end, miou, 1):  # type: ignore[arg-type]
            publish(retention, event)
    left = {path.parent.name for path in tmp_path.glob("*/best.safetensors")}
    assert left == {"t0", "t1"}
