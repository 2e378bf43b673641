from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from trainables.data.resident import ResidentArrays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CPU = torch.device("cpu")


def saved(path: Path, value: int) -> NDArray[np.uint8]:
    np.save(path, np.full(100, value, dtype=np.uint8))
    array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return array


def test_trials_share_a_copy_of_one_file(tmp_path: Path) -> None:
    resident = ResidentArrays()
    array = saved(tmp_path / "a.npy", 3)
    first = resident.on(CPU, array, 100)
    assert (first == 3).all()
    again: NDArray[np.uint8] = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert resident.on(CPU, again, 100) is first
    assert resident.bytes == 100


def test_the_least_recently_used_copy_is_dropped_first(tmp_path: Path) -> None:
    resident = ResidentArrays()
    arrays = [saved(tmp_path / f"{number}.npy", number) for number in range(3)]
    zero, one = (resident.on(CPU, array, 200) for array in arrays[:2])
    assert resident.on(CPU, arrays[0], 200) is zero
    resident.on(CPU, arrays[2], 200)
    assert resident.bytes == 200
    assert resident.on(CPU, arrays[0], 200) is zero
    assert resident.on(CPU, arrays[1], 200) is not one


def test_a_copy_larger_than_the_limit_is_alone(tmp_path: Path) -> None:
    resident = ResidentArrays()
    resident.on(CPU, saved(tmp_path / "a.npy", 1), 50)
    resident.on(CPU, saved(tmp_path / "b.npy", 2), 50)
    assert resident.bytes == 100


def test_an_array_that_is_no_file_is_not_shared() -> None:
    resident = ResidentArrays()
    assert resident.on(CPU, np.zeros(4, dtype=np.uint8), 100).sum() == 0
    assert resident.bytes == 0
