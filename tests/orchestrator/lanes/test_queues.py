from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lanes.queues import ActorBarrier, LaneRegistry, Mailbox, TaskQueue
from trainables.session.messages import EpochDone

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


def epoch(number: int) -> EpochDone:
    return EpochDone(trial_id="t", epoch=number, metrics={})


def filled(count: int) -> Mailbox:
    mailbox = Mailbox()
    for number in range(count):
        mailbox.put(epoch(number))
    return mailbox


def test_messages_are_delivered_again_until_they_are_acknowledged() -> None:
    async def read() -> None:
        mailbox = filled(2)
        everything = (1, [epoch(0), epoch(1)])
        assert await mailbox.after(-1) == everything
        assert await mailbox.after(-1) == everything
        assert await mailbox.after(0) == (1, [epoch(1)])
        mailbox.put(epoch(2))
        assert await mailbox.after(1) == (2, [epoch(2)])

    asyncio.run(read())


def test_a_reader_waits_for_a_message_after_the_acknowledged_one() -> None:
    async def read() -> None:
        mailbox = filled(1)
        waiting = asyncio.create_task(mailbox.after(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        mailbox.put(epoch(1))
        assert await waiting == (1, [epoch(1)])

    asyncio.run(read())


def test_taken_messages_are_deleted_and_keep_the_numbers_of_the_others() -> None:
    async def read() -> None:
        mailbox = filled(3)
        assert await mailbox.take() == epoch(0)
        assert await mailbox.after(-1) == (2, [epoch(1), epoch(2)])

    asyncio.run(read())


def test_it_opens_once_all_expected_actors_have_arrived() -> None:
    async def arrive() -> None:
        barrier = ActorBarrier()
        barrier.expect(2)
        barrier.expect(1)
        waiting = asyncio.create_task(barrier.wait(60))
        await barrier.arrive()
        await asyncio.sleep(0)
        assert not waiting.done()
        await barrier.arrive()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(arrive())


def test_it_opens_at_once_where_no_actor_is_expected() -> None:
    asyncio.run(asyncio.wait_for(ActorBarrier().wait(60), 5))


def test_it_opens_after_the_timeout() -> None:
    async def wait() -> None:
        barrier = ActorBarrier()
        barrier.expect(1)
        await barrier.wait(0)

    asyncio.run(asyncio.wait_for(wait(), 5))
