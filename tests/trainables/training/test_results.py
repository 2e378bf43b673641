from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from search_spaces.resolution import Resolution
from trainables.data.dataset import build_datasets
from trainables.training.compute import Compute
from trainables.training.metrics import ScoreSums
from trainables.training.results import spread, write_class_iou, write_pictures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from trainables.config import DataConfig

CPU = torch.device("cpu")


@given(st.integers(1, 500), st.integers(0, 20))
def test_spread_takes_different_images_evenly(size: int, count: int) -> None:
    chosen = spread(size, count)
    assert len(set(chosen)) == min(size, count)
    assert all(0 <= index < size for index in chosen)
    gaps = [after - before for before, after in itertools.pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_class_scores_are_json_with_null_for_an_absent_class(tmp_path: Path) -> None:
    sums = ScoreSums(3, CPU)
    sums.matrix += torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    name = write_class_iou(tmp_path, sums.scores(sums.packed()), ("a", "b", "c"))
    content = json.loads((tmp_path / name).read_text())
    assert content["iou"] == {"a": 0.75, "b": 0.8, "c": None}
    assert content["miou"] == pytest.approx(0.775)
    assert content["confusion_matrix"]["counts"] == [[3, 1, 0], [0, 4, 0], [0, 0, 0]]


def test_pictures_show_predictions(
    tmp_path: Path, tiny_data: DataConfig, tiny_cache: Path, tiny_net: Callable[..., nn.Module]
) -> None:
    _, val = build_datasets(tiny_data, Resolution(32, 48), tiny_cache)
    names = write_pictures(tmp_path, tiny_net(), val, Compute(device=CPU), 2)
    assert names == ["pictures/val-0001.png", "pictures/val-0003.png"]
    for name in names:
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 3 * 48
    assert write_pictures(tmp_path, tiny_net(), val, Compute(device=CPU), 0) == []
