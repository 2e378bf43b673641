"""Networks on the meta device, without the layers that have no MACs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ELEMENTWISE = (
    nn.BatchNorm2d,
    nn.Dropout,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.SiLU,
)
"""Layers without MACs whose output has the shape of their input."""
FILLING = frozenset(
    {
        nn.init.constant_,
        nn.init.kaiming_normal_,
        nn.init.kaiming_uniform_,
        nn.init.normal_,
        nn.init.uniform_,
        torch.Tensor.fill_,
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
        torch.Tensor.zero_,
    }
)
"""Functions that initialise weights."""


@contextmanager
def no_values() -> Iterator[None]:
    """Build networks on the meta device, whose tensors have a shape but no values."""
    with torch.device("meta"), _NoInitialValues():
        yield


def strip(model: nn.Module) -> None:
    """Remove the layers of ``model`` that have no MACs and keep the shape, in place.

    On the meta device these run as long Python decompositions, two thirds of a forward pass.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, ELEMENTWISE):
                setattr(parent, name, nn.Identity())


class _NoInitialValues(TorchFunctionMode):
    """Mode that skips initialisation, which takes time on the meta device too."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Return the result of ``func``, or the unchanged tensor that it would fill."""
        given = kwargs or {}
        if func in FILLING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
