from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.config import TrialConfig
from trainables.incremental.config import ExtendError
from trainables.incremental.expansion import expanded
from trainables.models.build import build_model

if TYPE_CHECKING:
    from search_spaces.vocabulary import Arch


@pytest.mark.parametrize("arch", ["deeplabv3", "deeplabv3plus", "lraspp"])
def test_old_classes_are_predicted_as_before(arch: Arch) -> None:
    torch.manual_seed(0)
    config = TrialConfig(arch=arch, backbone="mobilenet_v3_small", last_expansion=False)
    model = build_model(config, 3).eval()
    larger = expanded(model, config, 3, 2)
    assert larger.training
    images = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        before, after = model(images), larger.eval()(images)
    assert after.shape == (1, 5, 32, 48)
    torch.testing.assert_close(after[:, :3], before)


def test_a_network_whose_classes_come_from_many_layers_is_refused() -> None:
    config = TrialConfig(arch="deconvnet", backbone="mobilenet_v3_small", last_expansion=False)
    with torch.device("meta"):
        model = build_model(config, 3)
        with pytest.raises(ExtendError, match="deconvnet on mobilenet_v3_small cannot be extended"):
            expanded(model, config, 3, 2)
