from __future__ import annotations

import errno
import pickle

import pytest
import torch
import torch.distributed as dist

from trainables.session.blame import BlamedError, blame
from trainables.session.memory import DoesNotFitError


def wrapped(cause: BaseException) -> Exception:
    error = ValueError("cannot save")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ValueError("a bad configuration"), "own"),
        (KeyError("broken"), "own"),
        (FileNotFoundError(errno.ENOENT, "no such file"), "own"),
        (RuntimeError("the loss is no finite number"), "own"),
        (torch.OutOfMemoryError("CUDA out of memory."), "memory"),
        (DoesNotFitError("out of memory at a micro-batch of 1 image"), "memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "storage"),
        (OSError(errno.EROFS, "Read-only file system"), "storage"),
        (RuntimeError("unexpected pos 64 vs 0: No space left on device"), "storage"),
        (OSError(errno.EIO, "Input/output error"), "infrastructure"),
        (ConnectionResetError("gone"), "infrastructure"),
        (dist.DistBackendError("NCCL error in: x"), "infrastructure"),
        (RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"), "infrastructure"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "infrastructure"),
        (wrapped(OSError(errno.ENOSPC, "No space left on device")), "storage"),
        (wrapped(KeyError("x")), "own"),
        (BlamedError("rank 1: OSError", "storage"), "storage"),
    ],
)
def test_the_cause_of_an_error(error: Exception, found: str) -> None:
    assert blame(error) == found


def test_a_lost_ray_actor_is_a_fault_of_the_infrastructure() -> None:
    kind = type("ActorDiedError", (RuntimeError,), {"__module__": "ray.exceptions"})
    assert blame(kind("died")) == "infrastructure"


def test_it_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(BlamedError("rank 1: gone", "infrastructure")))  # noqa: S301 - our own bytes
    assert (str(error), error.blame) == ("rank 1: gone", "infrastructure")
