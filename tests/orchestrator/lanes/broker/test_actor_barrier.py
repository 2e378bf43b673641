from __future__ import annotations

import asyncio

from orchestrator.lanes.broker.actor_barrier import ActorBarrier


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
