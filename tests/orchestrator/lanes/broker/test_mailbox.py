from __future__ import annotations

import asyncio

from orchestrator.lanes.broker.mailbox import Mailbox
from trainables.session.messages import EpochDone


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
