from __future__ import annotations

import torch

from trainables.config import TargetConfig
from trainables.cost.host import cpu_name, device_name, device_of


def test_the_processor_has_a_name() -> None:
    assert device_of(TargetConfig()) == torch.device("cpu")
    assert device_name(TargetConfig()) == cpu_name()
    assert cpu_name().strip() == cpu_name() != ""
