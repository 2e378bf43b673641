"""Decoded arrays in a device's memory, shared by the trials of one process."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_Key: TypeAlias = "tuple[str, torch.device]"


class ResidentArrays:
    """Copies of memory-mapped arrays on a device; the least recently used are dropped first."""

    def __init__(self) -> None:
        """Start without any."""
        self._tensors: OrderedDict[_Key, Tensor] = OrderedDict()

    def on(self, device: torch.device, array: NDArray[Any], most_bytes: int) -> Tensor:
        """Return the copy of ``array`` on ``device``; all copies together take ``most_bytes``.

        A copy that is dropped here stays in memory for as long as a data set holds it. Copies of an
        array that is no file are not shared.
        """
        if not isinstance(array, np.memmap):
            return torch.from_numpy(array).to(device)
        key = (str(array.filename), device)
        tensor = self._tensors.pop(key, None)
        if tensor is None:
            while self._tensors and self.bytes + array.nbytes > most_bytes:
                self._tensors.popitem(last=False)
            tensor = torch.from_numpy(np.array(array)).to(device)
        self._tensors[key] = tensor
        return tensor

    @property
    def bytes(self) -> int:
        """Memory of all copies."""
        return sum(tensor.nbytes for tensor in self._tensors.values())


RESIDENT = ResidentArrays()
"""The copies of this process."""
