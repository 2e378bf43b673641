from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.search.cost_model import StaticCostModel
from search_spaces.config import TrialConfig
from trainables.cost.macs import static_costs

if TYPE_CHECKING:
    from search_spaces.space import Config

NETWORK: Config = {"arch": "lraspp", "backbone": "mobilenet_v3_small", "resolution": "64x96"}


@pytest.mark.parametrize(
    "other",
    [
        {"resolution": "96x128"},
        {"quantization": "ptq_int8"},
        {"width": 0.5},
        {"last_expansion": False},
        {"pruning": "structured", "pruning_ratio": 0.5},
    ],
    ids=str,
)
def test_each_network_shape_has_its_own_costs(other: Config) -> None:
    costs = StaticCostModel(11)
    for config in (NETWORK, {**NETWORK, **other}, NETWORK):
        assert costs(config) == static_costs(TrialConfig.from_mapping(config), 11)
    assert costs(NETWORK) != costs({**NETWORK, **other})


def test_training_settings_share_one_cost_computation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[TrialConfig] = []

    def count(config: TrialConfig, num_classes: int) -> dict[str, int]:
        counted.append(config)
        return static_costs(config, num_classes)

    monkeypatch.setattr("orchestrator.search.cost_model.static_costs", count)
    costs = StaticCostModel(11)
    first = costs(NETWORK)
    for batch_size in (4, 8, 16):
        assert costs({**NETWORK, "learning_rate": 1e-3, "batch_size": batch_size}) == first
    assert len(counted) == 1


def test_changing_the_result_does_not_change_the_cache() -> None:
    costs = StaticCostModel(11)
    dict.update(costs(NETWORK), macs=0.0)
    assert costs(NETWORK)["macs"] > 0


def test_an_invalid_network_is_refused_every_time() -> None:
    costs = StaticCostModel(11)
    for _ in range(2):
        with pytest.raises(ValueError, match="resolution"):
            costs({**NETWORK, "resolution": "33x35"})
