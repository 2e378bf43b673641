from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING

from orchestrator.lanes.switchboard import Switchboard
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
    board = Switchboard()
    await board.submit(task("a"))
    await board.submit(task("a"))  # a second submission changes nothing
    order = await board.take("lane0", 1)
    assert isinstance(order, TrialTask)
    assert await board.take("lane1", 0.01) == "idle"
    epoch = EpochDone(trial_id="a", epoch=1, metrics={})
    await board.emit("lane0", epoch)
    await board.emit("lane0", done("a"))
    assert await board.next_message("a") == epoch
    assert await board.next_message("a") == done("a")
    assert await board.snapshot() == {}


@asynchronous
async def test_a_reader_that_died_takes_no_message_with_it() -> None:
    board = Switchboard()
    await board.submit(task("a"), "ticket")
    await board.take("lane0", 1)
    dead = asyncio.create_task(board.messages_after("a", -1, 1))
    await asyncio.sleep(0)
    first = EpochDone(trial_id="a", epoch=1, metrics={})
    await board.emit("lane0", first)
    assert await dead == (0, [first])
    assert await board.messages_after("a", -1, 1) == (0, [first])  # whoever comes after it
    await board.emit("lane0", done("a"))
    await board.submit(task("a"), "ticket")  # whoever comes after that one
    assert await board.messages_after("a", -1, 1) == (1, [first, done("a")])
    assert await board.messages_after("a", 0, 1) == (1, [done("a")])
    await board.submit(task("a"), "ticket")
    assert await board.messages_after("a", 0, 1) == (1, [done("a")])
    assert await board.take("lane0", 0.01) == "idle"


@asynchronous
async def test_an_end_that_follows_closely_comes_along() -> None:
    board = Switchboard(linger_s=60)
    told = asyncio.create_task(board.first_messages(task("a"), "ticket", 1))
    await board.take("lane0", 1)
    epoch = EpochDone(trial_id="a", epoch=1, metrics={})
    await board.emit("lane0", epoch)
    await asyncio.sleep(0)
    assert not told.done()
    await board.emit("lane0", done("a"))
    assert await told == (1, [epoch, done("a")])


@asynchronous
async def test_an_end_is_told_once_all_actors_of_the_run_are_up() -> None:
    board = Switchboard()
    await board.want_actors(1, 2)
    await board.actor_up(1)
    first = asyncio.create_task(board.first_messages(task("a"), "ticket", 1))
    assert isinstance(await board.take("lane0", 1), TrialTask)
    epoch = EpochDone(trial_id="a", epoch=1, metrics={})
    await board.emit("lane0", epoch)
    assert await first == (0, [epoch])
    end = asyncio.create_task(board.messages_after("a", 0, 1))
    await board.emit("lane0", done("a"))
    assert not (await asyncio.wait([end], timeout=0.05))[0]
    await board.actor_up(1)
    assert await end == (1, [done("a")])


@asynchronous
async def test_a_trial_is_taken_up_again_with_another_ticket() -> None:
    board = Switchboard()
    await board.submit(task("a"), "first")
    await board.take("lane0", 1)
    await board.emit("lane0", done("a"))
    await board.submit(task("a"), "second")
    await board.forget([("a", "first")])  # late: it does not touch the second
    assert isinstance(await board.take("lane0", 1), TrialTask)
    await board.emit("lane0", done("a"))
    assert await board.messages_after("a", -1, 1) == (0, [done("a")])
    await board.forget([("a", "second")])
    await board.cancel("a")  # nothing is known of it
    await board.submit(task("a"), "second")
    assert isinstance(await board.take("lane0", 1), TrialTask)


@asynchronous
async def test_a_waiting_lane_gets_a_task_as_soon_as_there_is_one() -> None:
    board = Switchboard()
    waiting = asyncio.create_task(board.take("lane0", 4))
    await asyncio.sleep(0)
    await board.submit(task("a"))
    assert isinstance(await waiting, TrialTask)


@asynchronous
async def test_a_cancelled_trial_is_told_so_and_a_queued_one_ends_at_once() -> None:
    board = Switchboard()
    await board.submit(task("a"))
    await board.submit(task("b"))
    await board.take("lane0", 1)
    waiting = asyncio.create_task(board.wait_cancelled("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await board.cancel("a")
    await board.cancel("b")
    await waiting
    ended = await board.next_message("b")
    assert isinstance(ended, TrialDone)
    assert ended.state == "stopped"
    assert await board.take("lane1", 0.01) == "idle"


@asynchronous
async def test_a_trial_whose_lane_died_goes_to_the_next_one_from_its_checkpoint() -> None:
    board = Switchboard(max_lost=2)
    await board.submit(task("a"))
    await board.submit(task("b"))
    await board.take("lane0", 1)
    await board.lane_lost("lane0", "killed")
    again = await board.take("lane1", 1)
    assert isinstance(again, TrialTask)
    assert again.trial_id == "a"
    assert again.resume
    await board.emit("lane0", done("a"))  # a ghost's words count for nothing
    await board.lane_lost("lane1", "killed again")
    for reason in ("killed", "killed again"):
        lost = await board.next_message("a")
        assert lost == Interrupted(trial_id="a", cause="worker", reason=reason)
    ended = await board.next_message("a")
    assert isinstance(ended, TrialDone)
    assert ended.state == "failed"
    assert "killed again" in ended.reason


@asynchronous
async def test_a_lane_that_takes_again_had_been_restarted() -> None:
    board = Switchboard()
    await board.submit(task("a"))
    await board.take("lane0", 1)
    order = await board.take("lane0", 1)
    assert isinstance(order, TrialTask)
    assert order.resume


@asynchronous
async def test_without_lanes_waiting_trials_fail_and_closing_sends_lanes_home() -> None:
    board = Switchboard()
    await board.submit(task("a"))
    await board.fail_waiting("no lane is left")
    ended = await board.next_message("a")
    assert isinstance(ended, TrialDone)
    assert ended.reason == "no lane is left"
    waiting = asyncio.create_task(board.take("lane0", 4))
    await asyncio.sleep(0)
    await board.close()
    assert await waiting == "close"


@asynchronous
async def test_machines_that_are_lost_are_not_charged_to_the_trial() -> None:
    board = Switchboard(max_lost=2)
    await board.submit(task("a"))
    gone = "ActorDiedError: The actor died because its node has died."
    for _ in range(4):
        await board.take("lane", 1)
        await board.lane_lost("lane", gone)
    for _ in range(4):
        await board.take("lane", 1)
        await board.noticed("lane")
        await board.noticed("lane")
        await board.lane_lost("lane", "the lane's workers were restarted")
    taken = await board.take("lane", 1)
    assert isinstance(taken, TrialTask)
    assert taken.resume
    await board.lane_lost("lane", "SIGSEGV")
    await board.take("lane", 1)
    await board.lane_lost("lane", "SIGSEGV")
    told = [await board.next_message("a") for _ in range(4 + 2 * 4 + 2)]
    assert [each.cause for each in told if isinstance(each, Interrupted)] == (
        ["node"] * 4 + ["notice", "preemption"] * 4 + ["worker"] * 2
    )
    end = await board.next_message("a")
    assert isinstance(end, TrialDone)
    assert end.state == "failed"


@asynchronous
async def test_trials_without_any_lane_left_are_preempted_now_and_later() -> None:
    board = Switchboard()
    await board.submit(task("a"))
    await board.fail_waiting("no lane is left")
    await board.submit(task("b"))
    for trial_id in ("a", "b"):
        end = await board.next_message(trial_id)
        assert isinstance(end, TrialDone)
        assert (end.state, end.reason) == ("preempted", "no lane is left")


@asynchronous
async def test_a_trial_that_lacks_memory_on_a_small_lane_goes_to_a_large_one() -> None:
    board = Switchboard(largest_mb=40.0)
    await board.submit(replace(task("a"), memory_mb=5.0))
    assert isinstance(await board.take("small", 1, 10.0), TrialTask)
    await board.emit("small", replace(done("a"), state="infeasible", reason="out of memory"))
    assert await board.take("small", 0.01, 10.0) == "idle"
    again = await board.take("large", 1, 40.0)
    assert isinstance(again, TrialTask)
    assert again.resume
    await board.emit("large", replace(done("a"), state="infeasible", reason="out of memory"))
    end = await board.next_message("a")
    assert isinstance(end, TrialDone)
    assert end.state == "infeasible"


@asynchronous
async def test_a_lane_with_a_banned_device_gets_no_trial() -> None:
    board = Switchboard()
    await board.announce("sick", {"node": "n", "gpus": ["GPU-a"]})
    await board.announce("sound", {"node": "n", "gpus": ["GPU-b"]})
    await board.ban({"GPU-a": "lost"})
    await board.submit(task("a"))
    assert await board.take("sick", 0.01) == "idle"
    assert isinstance(await board.take("sound", 1), TrialTask)
    assert await board.lanes() == [
        {"lane": "sick", "node": "n", "gpus": ["GPU-a"], "trial": None, "out": "lost"},
        {"lane": "sound", "node": "n", "gpus": ["GPU-b"], "trial": "a", "out": None},
    ]
    await board.lane_lost("sound", "killed")
    assert [each["lane"] for each in await board.lanes()] == ["sick"]


@asynchronous
async def test_every_hand_out_has_a_later_turn_than_the_ones_before() -> None:
    turns = []
    for driver in (1, 2):
        board = Switchboard(driver=driver)
        await board.submit(task("a"))
        for _ in range(2):
            taken = await board.take("lane", 1)
            assert isinstance(taken, TrialTask)
            assert taken.turn is not None
            turns.append(taken.turn)
            await board.lane_lost("lane", "killed")
    assert turns == sorted(set(turns))


@asynchronous
async def test_a_trial_is_not_charged_with_a_sick_device() -> None:
    board = Switchboard(max_lost=1)
    await board.submit(task("a"))
    await board.announce("sick", {"gpus": ["GPU-a"]})
    await board.take("sick", 1)
    await board.ban({"GPU-a": "lost"})
    await board.lane_lost("sick", "UnfitLaneError: GPU-a: lost")
    again = await board.take("sound", 1)
    assert isinstance(again, TrialTask)
    assert again.resume
    told = await board.next_message("a")
    assert isinstance(told, Interrupted)
    assert told.cause == "node"


@asynchronous
async def test_where_every_lane_is_out_trials_end_and_say_why() -> None:
    board = Switchboard()
    await board.expect(2)
    await board.submit(task("a"))
    for lane, device in (("lane0", "GPU-a"), ("lane1", "GPU-b")):
        await board.announce(lane, {"gpus": [device]})
    await board.ban({"GPU-a": "lost"})
    assert isinstance(await board.take("lane1", 1), TrialTask)
    await board.submit(task("b"))
    await board.ban({"GPU-b": "1 uncorrected ECC error(s) in its memory"})
    await board.lane_lost("lane1", "UnfitLaneError: GPU-b")  # it may come up on another one
    assert await board.take("lane0", 0.01) == "idle"
    await board.announce("lane1", {"gpus": ["GPU-b"]})
    ended = await board.next_message("b")
    assert isinstance(ended, TrialDone)
    assert ended.state == "preempted"
    assert ended.reason == (
        "every lane's device is taken out: 1 uncorrected ECC error(s) in its memory; lost"
    )


@asynchronous
async def test_a_lane_that_is_lost_is_known_by_the_trials_that_ended_on_it() -> None:
    board = Switchboard()
    await board.submit(task("a"))
    await board.take("lane", 1)
    assert await board.lane_lost("lane", "killed") == 0
    await board.take("lane", 1)
    await board.emit("lane", done("a"))
    assert await board.lane_lost("lane", "killed") == 1
    assert await board.lane_lost("other", "killed") == 0
