from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.models.heads import (
    DeepLabV3Head,
    DeepLabV3PlusHead,
    LiteHead,
    atrous_rates,
)


@pytest.mark.parametrize(
    ("stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18)), (32, (6, 12, 18))]
)
def test_aspp_branches_have_the_papers_rates(stride: int, rates: tuple[int, ...]) -> None:
    assert atrous_rates(stride) == rates
    head = _plus(output_stride=stride)
    dilated = [m.dilation[0] for m in head.aspp.modules() if isinstance(m, nn.Conv2d)]
    assert tuple(rate for rate in dilated if rate > 1) == rates


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_every_dropout_is_that_of_the_configuration(dropout: float) -> None:
    plain = DeepLabV3Head(high_channels=8, num_classes=3, output_stride=16, dropout=dropout)
    lite = LiteHead(low_channels=4, high_channels=8, num_classes=3, dropout=dropout)
    for head in (plain, lite, _plus(dropout=dropout)):
        dropouts = [module.p for module in head.modules() if isinstance(module, nn.Dropout)]
        assert dropouts == [dropout]


def test_the_decoder_works_at_the_size_of_the_low_level_map() -> None:
    head = _plus(decoder_convs=2).eval()
    logits = head(torch.rand(2, 4, 12, 20), torch.rand(2, 8, 3, 5))
    assert logits.shape == (2, 3, 12, 20)


@pytest.mark.parametrize("convs", [1, 2, 3])
def test_the_decoder_has_the_given_number_of_convolutions(convs: int) -> None:
    widths = [
        (m.in_channels, m.out_channels)
        for m in _plus(decoder_convs=convs).refine.modules()
        if isinstance(m, nn.Conv2d)
    ]
    assert widths == [(304, 256), (256, 256), (256, 256)][:convs]


def test_a_decoder_without_convolutions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        _plus(decoder_convs=0)


def _plus(
    *, decoder_convs: int = 1, output_stride: int = 16, dropout: float = 0.1
) -> DeepLabV3PlusHead:
    return DeepLabV3PlusHead(
        low_channels=4,
        high_channels=8,
        num_classes=3,
        output_stride=output_stride,
        decoder_convs=decoder_convs,
        dropout=dropout,
    )
