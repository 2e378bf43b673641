from __future__ import annotations

import torch

from trainables.session.local import LocalSession
from trainables.session.messages import EpochDone, TrialMessage


def test_messages_are_kept_and_handed_on() -> None:
    heard: list[TrialMessage] = []
    session = LocalSession(on_message=heard.append)
    message = EpochDone(trial_id="t", epoch=1, metrics={"miou": 0.5})
    session.report(message)
    assert session.messages == heard == [message]


def test_it_is_one_rank_on_the_cpu_that_nobody_stops() -> None:
    session = LocalSession()
    assert (session.rank, session.world_size) == (0, 1)
    assert session.device == torch.device("cpu")
    assert not session.should_stop()
    with session.measuring():
        pass


def test_whoever_made_it_can_stop_it() -> None:
    answers = iter([False, True])
    session = LocalSession(stop=lambda: next(answers))
    assert [session.should_stop(), session.should_stop()] == [False, True]
