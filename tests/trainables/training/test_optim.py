from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search_spaces.config import TrialConfig
from trainables.training.optim import build_optimizer, build_schedule, schedule_factor

SCHEDULES = ("constant", "step", "cosine", "poly")


def config(**values: Any) -> TrialConfig:
    return TrialConfig.from_mapping(values)


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def test_biases_and_norms_are_not_decayed() -> None:
    optimizer = build_optimizer(net(), config(weight_decay=0.01, learning_rate=0.1))
    weights, others = optimizer.param_groups
    assert (weights["weight_decay"], others["weight_decay"]) == (0.01, 0.0)
    assert [p.ndim for p in weights["params"]] == [4, 4]
    assert [p.ndim for p in others["params"]] == [1, 1, 1, 1]
    assert weights["lr"] == others["lr"] == 0.1


def test_frozen_parameters_are_excluded() -> None:
    model = net()
    next(model.parameters()).requires_grad_(False)
    groups = build_optimizer(model, config()).param_groups
    assert sum(len(group["params"]) for group in groups) == 5


def test_sgd_follows_its_formula() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    chosen = config(optimizer="sgd", momentum=0.5, learning_rate=0.1, weight_decay=0.0)
    optimizer = build_optimizer(layer, chosen)
    for _ in range(2):
        layer.weight.grad = torch.tensor([[2.0]])
        optimizer.step()
    # Velocities 2 and 0.5 * 2 + 2.
    assert layer.weight.item() == pytest.approx(1 - 0.1 * 2 - 0.1 * 3)


def test_adamw_decays_weights_apart_from_the_gradient() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    optimizer = build_optimizer(layer, config(learning_rate=0.1, weight_decay=0.2))
    layer.weight.grad = torch.zeros(1, 1)
    optimizer.step()
    assert layer.weight.item() == pytest.approx(1 - 0.1 * 0.2)


@pytest.mark.parametrize(
    ("values", "step", "expected"),
    [
        ({"schedule": "constant"}, 37, 1.0),
        ({"schedule": "step", "schedule_step_epochs": 2}, 19, 1.0),
        ({"schedule": "step", "schedule_step_epochs": 2}, 20, 0.1),
        ({"schedule": "step", "schedule_step_epochs": 2}, 45, 0.01),
        ({"schedule": "cosine"}, 25, (1 + math.cos(math.pi / 4)) / 2),
        ({"schedule": "poly"}, 50, 0.5**0.9),
        ({"schedule": "poly"}, 100, 0.0),
    ],
)
def test_schedules_follow_their_formulas(
    values: dict[str, Any], step: int, expected: float
) -> None:
    found = schedule_factor(config(**values), step, steps_per_epoch=10, total_steps=100)
    assert found == pytest.approx(expected)


@given(st.sampled_from(SCHEDULES), st.integers(1, 40), st.integers(1, 10), st.integers(1, 4))
def test_schedules_begin_at_1_and_never_rise(
    name: str, steps: int, epochs: int, step_epochs: int
) -> None:
    values = {"schedule_step_epochs": step_epochs} if name == "step" else {}
    chosen = config(schedule=name, **values)
    total = steps * epochs
    factors = [
        schedule_factor(chosen, step, steps_per_epoch=steps, total_steps=total)
        for step in range(total + 2)
    ]
    assert factors[0] == 1.0
    assert all(0 <= after <= before for before, after in itertools.pairwise(factors))


def test_the_schedule_advances_with_every_step() -> None:
    chosen = config(learning_rate=0.4, schedule="poly")
    optimizer = build_optimizer(net(), chosen)
    schedule = build_schedule(optimizer, chosen, steps_per_epoch=2, total_steps=4)
    rates = []
    for _ in range(4):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.4 * (1 - step / 4) ** 0.9 for step in range(4)])
