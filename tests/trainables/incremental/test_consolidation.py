from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainables.incremental.consolidation import Consolidation, fisher_information


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))


def test_the_information_is_the_mean_squared_gradient_scaled_to_one() -> None:
    model, images = _model(), [torch.rand(1, 3, 5, 4) for _ in range(6)]
    found = fisher_information(model, images, torch.Generator().manual_seed(3))
    generator, sums = torch.Generator().manual_seed(3), torch.zeros(0)
    for image in images:
        logits = model(image)
        rows = logits.detach().softmax(1).movedim(1, -1).reshape(-1, 3)
        labels = torch.multinomial(rows, 1, generator=generator).reshape(1, 5, 4)
        loss = functional.cross_entropy(logits, labels)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        row = torch.cat([grad.flatten() for grad in grads]).square()
        sums = row if not len(sums) else sums + row
    flat = torch.cat([values.flatten() for values in found.values()])
    torch.testing.assert_close(flat, sums / sums.mean())
    assert float(flat.mean()) == pytest.approx(1.0, abs=1e-5)
    assert all(weight.grad is None for weight in model.parameters())


def test_without_images_there_is_no_information() -> None:
    with pytest.raises(ValueError, match="0 images give no gradient"):
        fisher_information(_model(), [], torch.Generator())


def test_the_penalty_follows_its_formula() -> None:
    model = nn.Linear(2, 2, bias=False)
    anchor = {"weight": torch.zeros(2, 2)}
    fisher = {"weight": torch.tensor([[1.0, 2.0], [0.0, 4.0]])}
    model.weight.data = torch.tensor([[1.0, 3.0], [5.0, 0.5]])
    penalty = Consolidation(anchor, fisher, 0.5).penalty(model)
    assert float(penalty.detach()) == pytest.approx(0.25 * (1 + 2 * 9 + 0 + 4 * 0.25))
    assert penalty.requires_grad


def test_rows_of_new_classes_have_no_penalty() -> None:
    model = nn.Linear(2, 3)
    old = {name: value[:2].detach().clone() for name, value in model.named_parameters()}
    fisher = {name: torch.ones_like(value) for name, value in old.items()}
    consolidation = Consolidation(old, fisher, 1.0)
    model.weight.data[2] += 7
    assert float(consolidation.penalty(model).detach()) == 0
    model.weight.data[1] += 1
    assert float(consolidation.penalty(model).detach()) == pytest.approx(1.0)
