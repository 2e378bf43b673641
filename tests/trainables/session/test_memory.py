from __future__ import annotations

import pickle
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.session.memory import DoesNotFitError, MicroBatches, is_out_of_memory


def out_of_memory() -> torch.OutOfMemoryError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@given(st.integers(1, 32), st.integers(1, 32))
def test_parts_double_until_they_fit(size: int, fitting: int) -> None:
    micro = MicroBatches()
    tried: list[int] = []

    def attempt(parts: int) -> int:
        tried.append(parts)
        if -(-size // parts) > fitting:
            raise out_of_memory()
        return parts

    found = micro.run(attempt, size=size)
    assert found == micro.parts
    assert tried == [min(2**n, size) for n in range(len(tried))]
    assert found == 1 or -(-size // tried[-2]) > fitting


def test_the_number_found_is_kept_for_the_next_batch() -> None:
    micro = MicroBatches(4)
    assert micro.run(lambda parts: parts, size=8) == 4
    assert micro.run(lambda parts: parts, size=3) == 3
    assert micro.parts == 4


def test_an_image_that_does_not_fit_alone_is_an_error() -> None:
    def attempt(_: int) -> int:
        raise out_of_memory()

    with pytest.raises(DoesNotFitError, match="micro-batch of 1 image: CUDA out of memory"):
        MicroBatches().run(attempt, size=4)


def test_other_errors_pass() -> None:
    def attempt(_: int) -> int:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        MicroBatches().run(attempt, size=4)


def test_a_failed_attempt_keeps_no_tensor_alive() -> None:
    seen: list[weakref.ref[torch.Tensor]] = []

    def attempt(parts: int) -> bool:
        if parts == 1:
            large = torch.zeros(1000)
            seen.append(weakref.ref(large))
            raise out_of_memory()
        return seen[0]() is None

    assert MicroBatches().run(attempt, size=2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (out_of_memory(), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("GET was unable to find an engine to execute this computation"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_recognises_out_of_memory(error: Exception, expected: bool) -> None:  # noqa: FBT001
    assert is_out_of_memory(error) is expected


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(DoesNotFitError("too large")))  # noqa: S301 - our own bytes
    assert str(error) == "too large"
