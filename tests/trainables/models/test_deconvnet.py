from __future__ import annotations

import pytest
import torch

from trainables.models.backbones import build_backbone
from trainables.models.deconvnet import (
    Bottleneck,
    Layer,
    LightDeconvHead,
    VggDeconvHead,
    VggEncoder,
)


def test_the_light_stages_have_the_papers_channels_and_sizes() -> None:
    with torch.device("meta"):
        backbone = build_backbone("mobilenet_v3_small", output_stride=32).eval()
        head = LightDeconvHead(high_channels=576, num_classes=21, dropout=0.1).eval()
        maps = [backbone(torch.empty(1, 3, 224, 224))[1]]
        gathered = head.bottleneck.gather(maps[0])
        maps.append(head.bottleneck(maps[0]))
        for stage in head.stages:
            maps.append(stage(maps[-1]))
    assert gathered.shape == (1, 1000, 1, 1)
    assert [(x.shape[1], x.shape[2]) for x in maps] == [
        *[(576, 7), (576, 7), (96, 7), (40, 7), (24, 14), (16, 28), (21, 112)]
    ]


def test_the_mirror_of_vgg_has_the_papers_wide_layers() -> None:
    with torch.device("meta"):
        encoder, head = VggEncoder().eval(), VggDeconvHead(num_classes=21, dropout=0.1).eval()
        high, poolings = encoder(torch.empty(1, 3, 224, 224))
        assert head.bottleneck.gather(high).shape == (1, 4096, 1, 1)
        assert head(high, poolings).shape == (1, 21, 224, 224)
    assert [tuple(pooled.size[1:]) for pooled in poolings] == [
        *[(64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28), (512, 14, 14)]
    ]


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (7, 7), (9, 5)])
def test_the_bottleneck_preserves_the_shape(size: tuple[int, int]) -> None:
    neck = Bottleneck(Layer(4, 4), Layer(4, 6, kernel=3, dilation=3), dropout=0.0)
    assert neck.field == 7
    assert neck.train()(torch.rand(1, 4, *size)).shape == (1, 4, *size)
    assert neck.eval()(torch.rand(2, 4, *size)).shape == (2, 4, *size)
