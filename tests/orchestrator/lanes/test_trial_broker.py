from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

from orchestrator.lanes.trial_broker import TrialBroker
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.session.messages import EpochDone, Interrupted, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def task(trial_id: str) -> TrialTask:
    return TrialTask(
        sweep_id="s",
        trial_id=trial_id,
        config={},
        seed=0,
        epochs=1,
        data=DataConfig(),
        training=TrainingConfig(),
        target=TargetConfig(),
        cache_dir="",
        output_dir="",
    )


def done(trial_id: str) -> TrialDone:
    return TrialDone(trial_id=trial_id, state="complete", reason="", metrics={"miou": 0.5})


def asynchronous(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        async def limited() -> None:
            async with asyncio.timeout(5):
                await test()

        asyncio.run(limited())

    return run


@asynchronous
async def test_a_trial_passes_through_a_lane() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"))
    await broker.submit(task("a"))  # a second submission changes nothing
    order = await broker.take("lane0", 1)
    assert isinstance(order, TrialTask)
    assert await broker.take("lane1", 0.01) == "idle"
    epoch = EpochDone(trial_id="a", epoch=1, metrics={})
    await broker.emit("lane0", epoch)
    await broker.emit("lane0", done("a"))
    assert await broker.next_message("a") == epoch
    assert await broker.next_message("a") == done("a")


@asynchronous
async def test_messages_survive_the_death_of_their_reader() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"), "ticket")
    await broker.take("lane0", 1)
    dead = asyncio.create_task(broker.messages_after("a", -1, 1))
    await asyncio.sleep(0)
    first = EpochDone(trial_id="a", epoch=1, metrics={})
    await broker.emit("lane0", first)
    assert await dead == (0, [first])
    assert await broker.messages_after("a", -1, 1) == (0, [first])  # its successor
    await broker.emit("lane0", done("a"))
    await broker.submit(task("a"), "ticket")  # the next successor
    assert await broker.messages_after("a", -1, 1) == (1, [first, done("a")])
    assert await broker.messages_after("a", 0, 1) == (1, [done("a")])
    await broker.submit(task("a"), "ticket")
    assert await broker.messages_after("a", 0, 1) == (1, [done("a")])
    assert await broker.take("lane0", 0.01) == "idle"


@asynchronous
async def test_an_end_within_the_linger_time_comes_in_the_same_result() -> None:
    broker = TrialBroker(linger_s=60)
    result = asyncio.create_task(broker.first_messages(task("a"), "ticket", 1))
    await broker.take("lane0", 1)
    epoch = EpochDone(trial_id="a", epoch=1, metrics={})
    await broker.emit("lane0", epoch)
    await asyncio.sleep(0)
    assert not result.done()
    await broker.emit("lane0", done("a"))
    assert await result == (1, [epoch, done("a")])


@asynchronous
async def test_an_end_is_delayed_until_all_actors_of_the_run_have_started() -> None:
    broker = TrialBroker()
    await broker.expect_actors(1, 2)
    await broker.actor_started(1)
    first = asyncio.create_task(broker.first_messages(task("a"), "ticket", 1))
    assert isinstance(await broker.take("lane0", 1), TrialTask)
    epoch = EpochDone(trial_id="a", epoch=1, metrics={})
    await broker.emit("lane0", epoch)
    assert await first == (0, [epoch])
    end = asyncio.create_task(broker.messages_after("a", 0, 1))
    await broker.emit("lane0", done("a"))
    assert not (await asyncio.wait([end], timeout=0.05))[0]
    await broker.actor_started(1)
    assert await end == (1, [done("a")])


@asynchronous
async def test_a_trial_restarts_with_another_ticket() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"), "first")
    await broker.take("lane0", 1)
    await broker.emit("lane0", done("a"))
    await broker.submit(task("a"), "second")
    await broker.forget([("a", "first")])  # late: it does not touch the second
    assert isinstance(await broker.take("lane0", 1), TrialTask)
    await broker.emit("lane0", done("a"))
    assert await broker.messages_after("a", -1, 1) == (0, [done("a")])
    await broker.forget([("a", "second")])
    await broker.cancel("a")  # it was deleted
    await broker.submit(task("a"), "second")
    assert isinstance(await broker.take("lane0", 1), TrialTask)


@asynchronous
async def test_a_waiting_lane_gets_a_task_as_soon_as_there_is_one() -> None:
    broker = TrialBroker()
    waiting = asyncio.create_task(broker.take("lane0", 4))
    await asyncio.sleep(0)
    await broker.submit(task("a"))
    assert isinstance(await waiting, TrialTask)


@asynchronous
async def test_cancel_is_signalled_to_a_running_trial_and_ends_a_queued_one() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"))
    await broker.submit(task("b"))
    await broker.take("lane0", 1)
    waiting = asyncio.create_task(broker.wait_cancelled("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await broker.cancel("a")
    await broker.cancel("b")
    await waiting
    ended = await broker.next_message("b")
    assert isinstance(ended, TrialDone)
    assert ended.state == "stopped"
    assert await broker.take("lane1", 0.01) == "idle"


@asynchronous
async def test_a_trial_whose_lane_died_resumes_on_the_next_lane() -> None:
    broker = TrialBroker(max_lost=2)
    await broker.submit(task("a"))
    await broker.submit(task("b"))
    await broker.take("lane0", 1)
    await broker.lane_lost("lane0", "killed")
    again = await broker.take("lane1", 1)
    assert isinstance(again, TrialTask)
    assert again.trial_id == "a"
    assert again.resume
    await broker.emit("lane0", done("a"))  # from a lane that lost the trial
    await broker.lane_lost("lane1", "killed again")
    for reason in ("killed", "killed again"):
        lost = await broker.next_message("a")
        assert lost == Interrupted(trial_id="a", cause="worker", reason=reason)
    ended = await broker.next_message("a")
    assert isinstance(ended, TrialDone)
    assert ended.state == "failed"
    assert "killed again" in ended.reason


@asynchronous
async def test_a_lane_that_takes_again_was_restarted() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"))
    await broker.take("lane0", 1)
    order = await broker.take("lane0", 1)
    assert isinstance(order, TrialTask)
    assert order.resume


@asynchronous
async def test_without_lanes_queued_trials_end_and_close_reaches_waiting_lanes() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"))
    await broker.preempt_queued("no lane is left")
    ended = await broker.next_message("a")
    assert isinstance(ended, TrialDone)
    assert ended.reason == "no lane is left"
    waiting = asyncio.create_task(broker.take("lane0", 4))
    await asyncio.sleep(0)
    await broker.close()
    assert await waiting == "close"


@asynchronous
async def test_lost_nodes_and_preemptions_are_not_charged_to_the_trial() -> None:
    broker = TrialBroker(max_lost=2)
    await broker.submit(task("a"))
    gone = "ActorDiedError: The actor died because its node has died."
    for _ in range(4):
        await broker.take("lane", 1)
        await broker.lane_lost("lane", gone)
    for _ in range(4):
        await broker.take("lane", 1)
        await broker.notice_received("lane")
        await broker.notice_received("lane")
        await broker.lane_lost("lane", "the lane's workers were restarted")
    taken = await broker.take("lane", 1)
    assert isinstance(taken, TrialTask)
    assert taken.resume
    await broker.lane_lost("lane", "SIGSEGV")
    await broker.take("lane", 1)
    await broker.lane_lost("lane", "SIGSEGV")
    messages = [await broker.next_message("a") for _ in range(4 + 2 * 4 + 2)]
    assert [each.cause for each in messages if isinstance(each, Interrupted)] == (
        ["node"] * 4 + ["notice", "preemption"] * 4 + ["worker"] * 2
    )
    end = await broker.next_message("a")
    assert isinstance(end, TrialDone)
    assert end.state == "failed"


@asynchronous
async def test_trials_without_any_lane_are_preempted_now_and_later() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"))
    await broker.preempt_queued("no lane is left")
    await broker.submit(task("b"))
    for trial_id in ("a", "b"):
        end = await broker.next_message(trial_id)
        assert isinstance(end, TrialDone)
        assert (end.state, end.reason) == ("preempted", "no lane is left")


@asynchronous
async def test_a_trial_out_of_memory_on_a_small_lane_resumes_on_a_large_one() -> None:
    broker = TrialBroker(largest_mb=40.0)
    await broker.submit(replace(task("a"), memory_mb=5.0))
    assert isinstance(await broker.take("small", 1, 10.0), TrialTask)
    await broker.emit("small", replace(done("a"), state="infeasible", reason="out of memory"))
    assert await broker.take("small", 0.01, 10.0) == "idle"
    again = await broker.take("large", 1, 40.0)
    assert isinstance(again, TrialTask)
    assert again.resume
    await broker.emit("large", replace(done("a"), state="infeasible", reason="out of memory"))
    end = await broker.next_message("a")
    assert isinstance(end, TrialDone)
    assert end.state == "infeasible"


@asynchronous
async def test_a_lane_with_a_banned_device_gets_no_trial() -> None:
    broker = TrialBroker()
    await broker.announce("sick", {"node": "n", "gpus": ["GPU-a"]})
    await broker.announce("sound", {"node": "n", "gpus": ["GPU-b"]})
    await broker.ban({"GPU-a": "lost"})
    await broker.submit(task("a"))
    assert await broker.take("sick", 0.01) == "idle"
    assert isinstance(await broker.take("sound", 1), TrialTask)
    assert await broker.lanes() == [
        {"lane": "sick", "node": "n", "gpus": ["GPU-a"], "trial": None, "out": "lost"},
        {"lane": "sound", "node": "n", "gpus": ["GPU-b"], "trial": "a", "out": None},
    ]
    await broker.lane_lost("sound", "killed")
    assert [each["lane"] for each in await broker.lanes()] == ["sick"]


@asynchronous
async def test_every_assignment_has_a_later_fencing_token() -> None:
    turns = []
    for driver in (1, 2):
        broker = TrialBroker(driver=driver)
        await broker.submit(task("a"))
        for _ in range(2):
            taken = await broker.take("lane", 1)
            assert isinstance(taken, TrialTask)
            assert taken.fencing_token is not None
            turns.append(taken.fencing_token)
            await broker.lane_lost("lane", "killed")
    assert turns == sorted(set(turns))


@asynchronous
async def test_a_trial_is_not_charged_with_a_banned_device() -> None:
    broker = TrialBroker(max_lost=1)
    await broker.submit(task("a"))
    await broker.announce("sick", {"gpus": ["GPU-a"]})
    await broker.take("sick", 1)
    await broker.ban({"GPU-a": "lost"})
    await broker.lane_lost("sick", "UnfitLaneError: GPU-a: lost")
    again = await broker.take("sound", 1)
    assert isinstance(again, TrialTask)
    assert again.resume
    message = await broker.next_message("a")
    assert isinstance(message, Interrupted)
    assert message.cause == "node"


@asynchronous
async def test_trials_end_with_the_reason_where_every_lane_is_excluded() -> None:
    broker = TrialBroker()
    await broker.expect_lanes(2)
    await broker.submit(task("a"))
    for lane, device in (("lane0", "GPU-a"), ("lane1", "GPU-b")):
        await broker.announce(lane, {"gpus": [device]})
    await broker.ban({"GPU-a": "lost"})
    assert isinstance(await broker.take("lane1", 1), TrialTask)
    await broker.submit(task("b"))
    await broker.ban({"GPU-b": "1 uncorrected ECC error(s) in its memory"})
    await broker.lane_lost("lane1", "UnfitLaneError: GPU-b")  # it may restart on another device
    assert await broker.take("lane0", 0.01) == "idle"
    await broker.announce("lane1", {"gpus": ["GPU-b"]})
    ended = await broker.next_message("b")
    assert isinstance(ended, TrialDone)
    assert ended.state == "preempted"
    assert ended.reason == (
        "the device of every lane is banned: 1 uncorrected ECC error(s) in its memory; lost"
    )


@asynchronous
async def test_lane_lost_returns_the_trials_that_ended_on_the_lane() -> None:
    broker = TrialBroker()
    await broker.submit(task("a"))
    await broker.take("lane", 1)
    assert await broker.lane_lost("lane", "killed") == 0
    await broker.take("lane", 1)
    await broker.emit("lane", done("a"))
    assert await broker.lane_lost("lane", "killed") == 1
    assert await broker.lane_lost("other", "killed") == 0
