from __future__ import annotations

from orchestrator.tracking.runs.updates import Point, RunUpdate, merge


def test_updates_of_a_trial_become_one_with_the_later_values() -> None:
    points = (Point("a", 1.0, 0, 1), Point("a", 2.0, 1, 2))
    merged = merge(
        [
            RunUpdate(trial_id="x", name="x", asked_ms=5, tags={"s": "old"}, points=points[:1]),
            RunUpdate(trial_id="y"),
            RunUpdate(trial_id="x", tags={"s": "new"}, points=points[1:], artifacts=("f", "f")),
        ]
    )
    assert [update.trial_id for update in merged] == ["x", "y"]
    assert merged[0] == RunUpdate(
        trial_id="x", name="x", asked_ms=5, tags={"s": "new"}, points=points, artifacts=("f",)
    )


def test_a_resumed_run_has_no_end() -> None:
    ended = RunUpdate(trial_id="x", status="KILLED", ended_ms=9)
    again = RunUpdate(trial_id="x", status="RUNNING")
    assert (ended.merged(again).status, ended.merged(again).ended_ms) == ("RUNNING", None)
    assert ended.merged(RunUpdate(trial_id="x")).ended_ms == 9
