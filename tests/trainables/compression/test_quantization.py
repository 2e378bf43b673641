from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.compression.quantization import (
    FrozenProgram,
    HalfPrecision,
    QuantizationAwareModel,
    quantize_int8,
)

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def _model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(16, 5, 1),
    )


def test_half_precision_takes_and_returns_float32() -> None:
    model = _model().eval()
    with torch.inference_mode():
        expected = model(IMAGES)
        output = HalfPrecision(model)(IMAGES)
    assert output.dtype == torch.float32
    assert next(model.parameters()).dtype == torch.float16
    torch.testing.assert_close(output, expected, rtol=1e-2, atol=1e-2)


def test_a_frozen_program_has_no_training_mode() -> None:
    frozen = FrozenProgram(_model()).train()
    assert not any(module.training for module in frozen.modules())
    assert torch.equal(frozen(IMAGES), frozen(IMAGES))


def test_calibration_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        quantize_int8(_model(), [])


@pytest.mark.slow
def test_int8_is_close_to_float_and_stores_no_float_weights() -> None:
    model = _model().eval()
    program = quantize_int8(model, [IMAGES])
    with torch.no_grad():
        expected = model(IMAGES)
        output = program(IMAGES)
        alone = program(IMAGES[:1])
    assert not torch.equal(output, expected)
    torch.testing.assert_close(output, expected, rtol=0.1, atol=0.05)
    torch.testing.assert_close(alone, output[:1])
    weights = [tensor for tensor in program.state_dict().values() if tensor.ndim == 4]
    assert {tensor.dtype for tensor in weights} == {torch.int8}
    assert all(parameter.ndim == 1 for parameter in program.parameters())  # biases


@pytest.mark.slow
def test_quantization_aware_evaluation_is_deterministic() -> None:
    torch.manual_seed(0)
    model = QuantizationAwareModel(_model(), IMAGES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    target = torch.randint(0, 5, (4, 16, 16))
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model.train()(IMAGES), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    state = {name: tensor.clone() for name, tensor in model.eval().state_dict().items()}
    with torch.no_grad():
        first = model(IMAGES)
        model(3 * IMAGES)  # observers stand still: another range changes nothing
        assert torch.equal(model(IMAGES), first)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    again = QuantizationAwareModel(_model(), IMAGES)
    again.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(again.eval()(IMAGES), first)
        torch.testing.assert_close(model.converted()(IMAGES), first, rtol=0.05, atol=0.05)
