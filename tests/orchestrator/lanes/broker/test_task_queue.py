from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lanes.broker.task_queue import TaskQueue

SIZES = (5.0, 10.0, 40.0)
PATIENCE = 600.0
needs_and_times = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from([1.0, 5.0, 7.0, 10.0, 30.0, 90.0])),
        st.floats(0, 1000),
    ),
    max_size=12,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def queue_of(*needs: float | None, patience: float = PATIENCE) -> tuple[TaskQueue, Clock]:
    """Return a queue of trials t0, t1, ... with these needs, all put at time 0."""
    clock = Clock()
    queue = TaskQueue(max(SIZES), patience_s=patience, clock=clock)
    for number, need in enumerate(needs):
        queue.put(f"t{number}", need)
    return queue, clock


def test_a_lane_takes_the_first_trial_that_fits() -> None:
    queue, _ = queue_of(30, None, 4, 3)
    assert [queue.take(5), queue.take(5), queue.take(10)] == ["t2", "t3", None]
    assert [queue.take(40), queue.take(None), queue.take(40)] == ["t0", "t1", None]


def test_lanes_of_equal_size_take_trials_in_order() -> None:
    queue = TaskQueue()
    queue.put("a", 90)
    queue.put("b")
    queue.put("c", first=True)
    assert [queue.take(5.0) for _ in range(4)] == ["c", "a", "b", None]


def test_after_its_patience_a_trial_runs_on_any_lane() -> None:
    queue, clock = queue_of(30, patience=10)
    clock.now = 9
    assert queue.take(5) is None
    clock.now = 10
    assert queue.take(5) == "t0"


def test_removed_and_drained_trials_are_not_taken() -> None:
    queue, _ = queue_of(1, 2, 3)
    assert queue.remove("t1")
    assert not queue.remove("t1")
    assert queue.drain() == ["t0", "t2"]
    assert queue.take(None) is None


@given(trials=needs_and_times, capacity=st.sampled_from(SIZES), now=st.floats(1000, 2000))
def test_no_trial_runs_on_a_smaller_lane_before_its_patience_ends(
    trials: list[tuple[float | None, float]], capacity: float, now: float
) -> None:
    clock = Clock()
    queue = TaskQueue(max(SIZES), patience_s=PATIENCE, clock=clock)
    for number, (need, since) in enumerate(trials):
        clock.now = since
        queue.put(str(number), need)
    clock.now = now
    taken = queue.take(capacity)
    if taken is not None and now - trials[int(taken)][1] < PATIENCE:
        need = trials[int(taken)][0]
        assert need is not None or capacity == max(SIZES)
        assert min(need or 0, max(SIZES)) <= capacity


@given(trials=needs_and_times)
def test_the_largest_lane_serves_trials_in_order(
    trials: list[tuple[float | None, float]],
) -> None:
    queue, _ = queue_of(*(need for need, _ in trials))
    taken = [queue.take(max(SIZES)) for _ in trials]
    assert taken == [f"t{number}" for number in range(len(trials))]
