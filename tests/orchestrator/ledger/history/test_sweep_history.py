from __future__ import annotations

from dataclasses import asdict

import pytest

from orchestrator.ledger.history.sweep_history import EarlierSweep, read_config, recorded_settings
from search_spaces.domains import Categorical, Float, Int
from search_spaces.space import SearchSpace
from trainables.config import TargetConfig

SPACE = SearchSpace.of(arch=Categorical("a", "b"), batch_size=Int(2, 8), dropout=Float(0.0, 0.5))


@pytest.mark.parametrize(
    ("params", "config"),
    [
        (
            {"arch": "a", "batch_size": "4", "dropout": "0.25"},
            {"arch": "a", "batch_size": 4, "dropout": 0.25},
        ),
        ({"arch": "c", "batch_size": "4", "dropout": "0.25"}, None),
        ({"arch": "a", "batch_size": "9", "dropout": "0.25"}, None),
        ({"arch": "a", "batch_size": "x", "dropout": "0.25"}, None),
        ({"arch": "a", "batch_size": "4"}, None),
        ({"arch": "a", "batch_size": "4", "dropout": "0.25", "width": "1.0"}, None),
    ],
)
def test_recorded_params_give_a_point_of_the_space_or_none(
    params: dict[str, str], config: dict[str, object] | None
) -> None:
    assert read_config(params, SPACE) == config


@pytest.mark.parametrize("text", [None, "", "[1]", "a: ["])
def test_a_sweep_without_a_readable_spec_has_no_settings(text: str | None) -> None:
    assert recorded_settings(sweep(text)) is None


def test_settings_that_a_former_version_lacks_have_their_defaults() -> None:
    settings = recorded_settings(sweep("name: x\ntarget: {threads: 4}\n"))
    assert settings == {"name": "x", "target": {**asdict(TargetConfig()), "threads": 4}}


def sweep(text: str | None) -> EarlierSweep:
    return EarlierSweep(
        sweep_id="s", dataset_digest=None, spec_text=text, experiment_id="1", run_id="2"
    )
