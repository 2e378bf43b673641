"""CUDA tensors without a GPU: their shapes, types and devices are checked, their values are not.

``FakeTensorMode`` runs no kernel. So an operation on tensors of two devices raises, and a copy to
the host is visible; memory, streams and numbers are not. Of torch's internals it replaces what
asks for a driver, and what needs a value.
"""

from __future__ import annotations

import ctypes
import re
import traceback
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_impls import op_implementations_dict
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CUDA = torch.device("cuda", 0)
_ROOT = str(Path(__file__).parents[2])
_ATEN = torch.ops.aten
_TORCH = Path(torch.__file__).parent
_HEAD = 2
"""Entries before the first function: the offset to the object's start, the type."""
_SLOTS = 64
"""Copied entries of the table of virtual functions; the hooks have about 50."""
USABLE = torch.version.cuda is not None and not torch.cuda.is_available()
"""Whether this torch is built for CUDA, and no GPU has a context that a fake one would hide."""


class HostSyncs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations in which the host waits for the device.

    They are those of which ``torch.cuda.set_sync_debug_mode`` warns on a GPU: a read of a value, a
    result whose size depends on values, and a blocking copy between host and device.

    Attributes:
        found: Each with its line in this repository, such as ``item at trainables/x.py:7``.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if _waits(func, args, kwargs or {}, result):
            self.found.append(f"{func.overloadpacket.__name__} at {_caller()}")
        return result


@contextmanager
def fake_cuda(*, bf16: bool = True) -> Iterator[None]:
    """Make new tensors fake; ``bf16`` is whether the fake GPU has native bfloat16."""
    fakes = {
        _ATEN._local_scalar_dense.default: _scalar,
        _ATEN.bincount.default: _bincount,
        _ATEN.nonzero.default: _nonzero,
        _ATEN._fused_sgd_.default: _fused_sgd,
    }
    generator_state = torch.zeros(16, dtype=torch.uint8)
    with ExitStack() as stack:
        for replaced in (
            patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
            patch("torch.cuda.is_bf16_supported", lambda **_: bf16),
            patch("torch.cuda.get_rng_state", lambda _: generator_state),
            patch("torch.cuda.set_rng_state", lambda *_: None),
            patch.object(nn.Module, "_apply", _apply),  # torch swaps fake parameters, and fails
            patch.dict(op_implementations_dict, fakes),
            _no_contexts(),
            torch.autograd.set_multithreading_enabled(False),  # modes belong to one thread
            FakeTensorMode(allow_non_fake_inputs=True),
        ):
            stack.enter_context(replaced)
        yield


def devices(tensors: Any) -> set[str]:
    """Return the types of the devices of ``tensors``."""
    return {tensor.device.type for tensor in tensors}


def _waits(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    if func in (_ATEN._local_scalar_dense.default, _ATEN.bincount.default, _ATEN.nonzero.default):
        return bool(args[0].device.type == "cuda")
    if func is _ATEN._to_copy.default:
        blocking = not kwargs.get("non_blocking")
        return blocking and len(devices((args[0], result))) > 1
    if func is _ATEN.copy_.default and isinstance(args[1], Tensor):
        blocking = not (kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
        return blocking and len(devices(args[:2])) > 1
    return False


def _caller() -> str:
    """Return the innermost line of this repository outside of this file."""
    for frame in reversed(traceback.extract_stack()):
        name = frame.filename
        if name.startswith(_ROOT) and "site-packages" not in name and name != __file__:
            return f"{name.removeprefix(_ROOT).lstrip('/')}:{frame.lineno}"
    return "?"


def _scalar(_: FakeTensorMode, __: Any, value: Tensor) -> float:
    return True if value.dtype is torch.bool else 0.5 if value.is_floating_point() else 1


def _bincount(
    mode: FakeTensorMode, _: Any, values: Tensor, weights: Any = None, minlength: int = 0
) -> Tensor:
    del weights
    with mode:
        return torch.empty(max(minlength, 1), dtype=torch.int64, device=values.device)


def _nonzero(mode: FakeTensorMode, _: Any, values: Tensor) -> Tensor:
    with mode:
        return torch.empty(values.numel(), values.dim(), dtype=torch.int64, device=values.device)


def _fused_sgd(
    _: FakeTensorMode, __: Any, weights: Any, gradients: Any, momenta: Any, **___: Any
) -> None:
    """Check the devices; torch has no fake kernel."""
    if len(found := devices([*weights, *gradients, *momenta])) > 1:
        raise RuntimeError(f"tensors of one step are on more than one device: {sorted(found)}")


def _apply(self: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:  # noqa: FBT001, FBT002 - torch's signature
    for child in self.children() if recurse else ():
        child._apply(fn, recurse)  # type: ignore[no-untyped-call]
    for name, parameter in self._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                moved = fn(parameter)
            if moved is not parameter:
                self._parameters[name] = nn.Parameter(moved.detach(), parameter.requires_grad)
    for name, buffer in self._buffers.items():
        if buffer is not None:
            self._buffers[name] = fn(buffer)
    return self


@contextmanager
def _no_contexts() -> Iterator[None]:
    """Let a backward pass find no CUDA context, instead of asking the driver.

    With fake tensors torch counts one device, and before a backward pass it asks the object behind
    ``at::detail::getCUDAHooks`` for the context of each. There is no setting. So that object gets a
    copy of its table of virtual functions with another ``hasPrimaryContext``.
    """
    get_hooks = ctypes.CDLL(str(_TORCH / "lib/libtorch_cpu.so"))._ZN2at6detail12getCUDAHooksEv
    get_hooks.restype = ctypes.c_void_p
    table = ctypes.c_void_p.from_address(get_hooks())
    start = (table.value or 0) - _HEAD * ctypes.sizeof(ctypes.c_void_p)
    answer = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_int8)(lambda *_: False)
    entries = ctypes.c_void_p * (_HEAD + _SLOTS)
    copied = entries.from_buffer_copy(entries.from_address(start))
    copied[_HEAD + _slot()] = ctypes.cast(answer, ctypes.c_void_p).value
    former = table.value
    table.value = ctypes.addressof(copied) + _HEAD * ctypes.sizeof(ctypes.c_void_p)
    try:
        yield
    finally:
        table.value = former


def _slot() -> int:
    """Return the place of ``hasPrimaryContext`` among the virtual functions of the hooks."""
    header = (_TORCH / "include/ATen/detail/AcceleratorHooksInterface.h").read_text()
    names = re.findall(r"^ *virtual [^;{]*?(~?\w+)\(", header, re.MULTILINE)
    if names[0] != "~AcceleratorHooksInterface":  # which has two entries
        raise RuntimeError(f"unknown order of virtual functions in {torch.__version__}: {names}")
    return names.index("hasPrimaryContext") + 1
