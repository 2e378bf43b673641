from __future__ import annotations

from orchestrator.lanes.broker.lane_registry import LaneRegistry


def two_lanes() -> LaneRegistry:
    registry = LaneRegistry()
    registry.announce("b", {"node": "n", "gpus": ["GPU-b"]})
    registry.announce("a", {"node": "n", "gpus": ["GPU-a"]})
    return registry


def test_rows_have_location_trial_and_exclusion_of_each_lane() -> None:
    registry = two_lanes()
    registry.assign("b", "t0", None)
    registry.ban({"GPU-a": "lost"})
    assert registry.rows() == [
        {"lane": "a", "node": "n", "gpus": ["GPU-a"], "trial": None, "out": "lost"},
        {"lane": "b", "node": "n", "gpus": ["GPU-b"], "trial": "t0", "out": None},
    ]
    assert registry.remove("b") == "t0"
    assert registry.remove("b") is None
    assert [row["lane"] for row in registry.rows()] == ["a"]


def test_a_ban_returns_the_trials_on_excluded_lanes() -> None:
    registry = two_lanes()
    registry.assign("a", "t0", 5.0)
    registry.assign("b", "t1", None)
    assert registry.ban({"GPU-b": "hot"}) == ["t1"]
    assert registry.exclusion("a") is None
    assert registry.exclusion("b") == "hot"
    assert registry.exclusion("unknown") is None
    assert registry.capacity_mb("a") == 5.0


def test_it_is_exhausted_once_as_many_lanes_are_excluded_as_are_expected() -> None:
    registry = two_lanes()
    registry.ban({"GPU-a": "lost", "GPU-b": "hot"})
    assert registry.exhaustion() is None
    registry.expect(3)
    assert registry.exhaustion() is None
    registry.expect(2)
    assert registry.exhaustion() == "the device of every lane is banned: hot; lost"
    registry.expect(0)
    assert registry.exhaustion() is None


def test_ended_trials_are_counted_across_losses_of_the_lane() -> None:
    registry = LaneRegistry()
    for trial in ("t0", "t1"):
        registry.assign("a", trial, None)
        assert registry.trial_on("a") == trial
        registry.end_trial("a")
        registry.remove("a")
    assert registry.trial_on("a") is None
    assert registry.ended_on("a") == 2
    assert registry.ended_on("b") == 0
