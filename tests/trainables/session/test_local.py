from __future__ import annotations

import torch

from trainables.session.local import LocalSession
from trainables.session.messages import EpochDone, TrialMessage


def test_messages_are_kept_and_handed_on() -> None:
    received: list[TrialMessage] = []
    session = LocalSession(on_message=received.append)
    message = EpochDone(trial_id="t", epoch=1, metrics={"miou": 0.5})
    session.report(message)
    assert session.messages == received == [message]


def test_defaults_are_one_rank_on_the_cpu_without_a_stop() -> None:
    session = LocalSession()
    assert (session.rank, session.world_size) == (0, 1)
    assert session.device == torch.device("cpu")
    assert not session.should_stop()
    with session.measuring():
        pass


def test_a_stop_is_evaluated_once_per_synchronization() -> None:
    answers = iter([False, True])
    session = LocalSession(stop=lambda: next(answers))
    stops = []
    for _ in range(2):
        session.synchronize()
        stops += [session.should_stop(), session.should_stop()]
    assert stops == [False, False, True, True]
