from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TargetConfig
from trainables.cost.signature import cost_signature, describe_host

CONFIG = TrialConfig(backbone="mobilenet_v3_large", resolution=Resolution(96, 128))
TARGET = TargetConfig()
HOST = describe_host(TARGET)


def _sign(config: TrialConfig = CONFIG) -> str:
    return cost_signature(config, 5, TARGET, HOST)


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.5},
        {"batch_size": 3},
        {"dropout": 0.4},
        {"augmentation": 0.0},
        {"weight_decay": 0.0},
        {"distill_alpha": 0.5, "temperature": 2.0},
        {"optimizer": "sgd", "momentum": 0.9},
        {"last_expansion": True},
        {"decoder_convs": 1},
    ],
)
def test_the_signature_excludes_the_training(change: dict[str, object]) -> None:
    assert _sign(replace(CONFIG, **change)) == _sign()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"arch": "deeplabv3", "decoder_convs": None},
        {"backbone": "mobilenet_v3_small"},
        {"last_expansion": False},
        {"decoder_convs": 2},
        {"output_stride": 32},
        {"width": 0.5},
        {"resolution": Resolution(128, 96)},
    ],
)
def test_the_signature_includes_the_model(change: dict[str, object]) -> None:
    assert _sign(replace(CONFIG, **change)) != _sign()  # type: ignore[arg-type]


def test_the_signature_includes_all_that_latency_depends_on() -> None:
    others = [
        cost_signature(CONFIG, 6, TARGET, HOST),
        cost_signature(CONFIG, 5, replace(TARGET, threads=2), HOST),
        cost_signature(CONFIG, 5, replace(TARGET, batch_size=2), HOST),
        cost_signature(CONFIG, 5, TARGET, replace(HOST, device="another")),
        cost_signature(CONFIG, 5, TARGET, replace(HOST, runtime="torch 0")),
        cost_signature(CONFIG, 5, TARGET, HOST, channels_last=False),
    ]
    assert len({_sign(), *others}) == 7


def test_the_signature_includes_compression() -> None:
    pruned = {"pruning": "structured", "pruning_ratio": 0.5}
    changes: list[dict[str, object]] = [
        {},
        {"quantization": "fp16"},
        {"quantization": "ptq_int8"},
        pruned,
        {**pruned, "pruning_ratio": 0.25},
        {**pruned, "quantization": "ptq_int8"},
    ]
    found = {_sign(replace(CONFIG, **change)) for change in changes}  # type: ignore[arg-type]
    assert len(found) == len(changes)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"quantization": "ptq_int8"}, {"quantization": "qat_int8"}),
        ({"pruning": "unstructured", "pruning_ratio": 0.9}, {}),
        (
            {"pruning": "structured", "pruning_importance": "taylor"},
            {"pruning": "structured", "pruning_when": "before"},
        ),
    ],
)
def test_models_of_equal_cost_share_a_signature(
    change: dict[str, object], other: dict[str, object]
) -> None:
    first, second = replace(CONFIG, **change), replace(CONFIG, **other)  # type: ignore[arg-type]
    assert _sign(first) == _sign(second)


def test_a_signature_is_the_same_in_every_process() -> None:
    host = replace(HOST, device="a processor", cpus=4, runtime="torch 2.15.0")
    assert len(_sign()) == 32
    assert cost_signature(CONFIG, 5, TARGET, host) == cost_signature(
        TrialConfig.from_mapping(CONFIG.to_mapping()), 5, TARGET, host
    )
