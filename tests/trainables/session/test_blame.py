from __future__ import annotations

import errno
import pickle

import pytest
import torch
import torch.distributed as dist

from trainables.session.blame import BlamedError, blame, is_device_fault
from trainables.session.memory import DoesNotFitError


def cuda_error(name: str, message: str) -> torch.AcceleratorError:
    """Return an error with the text of torch 2.15."""
    return torch.AcceleratorError(
        f"CUDA error: {message}\nSearch for `{name}' in https://docs.nvidia.com/cuda/"
        "cuda-runtime-api/group__CUDART__TYPES.html for more information.\nCUDA kernel errors "
        "might be asynchronously reported at some other API call, so the stacktrace below might be "
        "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with "
        "`TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
    )


DEVICE_FAULTS: list[Exception] = [
    cuda_error("cudaErrorIllegalAddress", "an illegal memory access was encountered"),
    cuda_error("cudaErrorLaunchFailure", "unspecified launch failure"),
    cuda_error("cudaErrorAssert", "device-side assert triggered"),
    cuda_error("cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"),
    cuda_error("cudaErrorUnknown", "unknown error"),
    RuntimeError("NVML: GPU is lost"),
    RuntimeError("CUDA error: device is lost"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]
OUT_OF_MEMORY: list[Exception] = [
    cuda_error("cudaErrorMemoryAllocation", "out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
]
STICKY_CODES = (46, 100, 214, 220, 226, 700, 702, 709, 710, *range(714, 720), 721, 810, 911)
"""Values of ``cudaError`` after which the process must end, or which no configuration causes."""


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


@pytest.mark.parametrize("error", DEVICE_FAULTS)
def test_a_lost_device_is_a_fault_of_the_infrastructure(error: Exception) -> None:
    assert blame(error) == blame(wrapped(error)) == "infrastructure"
    assert is_device_fault(error)
    assert is_device_fault(wrapped(error))


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_library_without_memory_leaves_the_device_usable(error: Exception) -> None:
    assert blame(error) == "memory"
    assert not is_device_fault(error)


@pytest.mark.parametrize(
    "error",
    [
        cuda_error("cudaErrorInvalidValue", "invalid argument"),
        cuda_error("cudaErrorNoKernelImageForDevice", "no kernel image is available for execution"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        ValueError("device-side assert triggered"),
    ],
)
def test_other_errors_of_cuda_are_the_trials_own(error: Exception) -> None:
    assert blame(error) == "own"
    assert not is_device_fault(error)


def test_a_network_fault_leaves_the_device_usable() -> None:
    assert not is_device_fault(ConnectionResetError("gone"))
    assert not is_device_fault(dist.DistBackendError("NCCL error in: x"))


@pytest.mark.skipif(torch.version.cuda is None, reason="the texts are those of CUDA's runtime")
@pytest.mark.parametrize("code", STICKY_CODES)
def test_the_texts_are_those_of_the_installed_cuda(code: int) -> None:
    assert is_device_fault(torch.cuda.CudaError(code))


def test_a_lost_ray_actor_is_a_fault_of_the_infrastructure() -> None:
    kind = type("ActorDiedError", (RuntimeError,), {"__module__": "ray.exceptions"})
    assert blame(kind("died")) == "infrastructure"


def test_it_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(BlamedError("rank 1: gone", "infrastructure")))  # noqa: S301 - our own bytes
    assert (str(error), error.blame) == ("rank 1: gone", "infrastructure")
