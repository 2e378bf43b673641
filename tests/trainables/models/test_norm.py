from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.models.norm import SingleValueBatchNorm2d


def test_single_values_are_normalized_by_running_statistics_which_stay() -> None:
    norm = SingleValueBatchNorm2d(2)
    norm.running_mean = torch.tensor([1.0, 2.0])
    norm.running_var = torch.tensor([4.0, 9.0])
    single = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1)
    assert norm(single).flatten().tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert norm.running_mean.tolist() == [1.0, 2.0]
    assert norm.num_batches_tracked == 0
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(2)(single)


@pytest.mark.parametrize("shape", [(2, 2, 1, 1), (1, 2, 3, 1)])
def test_several_values_are_normalized_like_batch_norm(shape: tuple[int, ...]) -> None:
    norm, reference = SingleValueBatchNorm2d(2), nn.BatchNorm2d(2)
    values = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)
    assert torch.equal(norm(values), reference(values))
    torch.testing.assert_close(norm.running_mean, reference.running_mean)
    assert torch.equal(norm.eval()(values), reference.eval()(values))
