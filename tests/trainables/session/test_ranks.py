from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from trainables.session.ranks import PeerFailedError, Ranks


def test_one_rank_agrees_with_itself() -> None:
    ranks = Ranks(0, 1)
    assert ranks.total(2.5) == 2.5
    assert ranks.sum(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert ranks.sum_on_device(torch.tensor(3)).item() == 3
    ranks.agree()
    assert ranks.everywhere(lambda: "done") == "done"
    assert ranks.on_first(lambda: "first") == "first"
    norm = nn.BatchNorm2d(2)
    ranks.average_buffers(norm)
    assert norm.running_var is not None
    assert norm.running_var.tolist() == [1.0, 1.0]
    ranks.close()


def test_errors_of_one_rank_come_through() -> None:
    ranks = Ranks(0, 1)
    with pytest.raises(KeyError):
        ranks.agree(KeyError("x"))
    with pytest.raises(ZeroDivisionError):
        ranks.everywhere(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        ranks.on_first(lambda: 1 // 0)


def test_several_ranks_need_a_process_group() -> None:
    with pytest.raises(RuntimeError, match=r"2 ranks needs torch\.distributed's process group"):
        Ranks(0, 2)


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(PeerFailedError("rank 1", "own")))  # noqa: S301 - our own bytes
    assert str(error) == "rank 1"
