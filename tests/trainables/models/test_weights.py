from __future__ import annotations

import pickle
from typing import TYPE_CHECKING
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet18_Weights, get_model

from search_spaces.config import TrialConfig
from trainables.models import weights as module
from trainables.models.build import build_model
from trainables.models.weights import WeightsError, backbone_weights

if TYPE_CHECKING:
    from pathlib import Path

RESNET = TrialConfig(backbone="resnet18")


def _state() -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = get_model("resnet18", weights=None).state_dict()
    return state


@pytest.mark.parametrize("place", ["other.pth", "resnet18.pth", "resnet18.safetensors"])
def test_weights_of_a_file_or_folder_are_loaded(tmp_path: Path, place: str) -> None:
    state, file = _state(), tmp_path / place
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    given = file if place.startswith("other") else tmp_path
    for weights in (given, str(given)):
        model = build_model(RESNET, 3, weights=weights)
        assert torch.equal(model.backbone.early[0].weight, state["conv1.weight"])  # type: ignore[index, union-attr]


def test_missing_weights_are_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no resnet18\.safetensors or resnet18\.pth in .*none"):
        build_model(RESNET, 3, weights=tmp_path)
    with pytest.raises(WeightsError, match="give a file, a folder of such files, torchvision"):
        build_model(RESNET, 3, weights=tmp_path / "absent.pth")


def test_none_starts_from_random_weights() -> None:
    torch.manual_seed(0)
    first = build_model(RESNET, 3, weights="none").state_dict()
    torch.manual_seed(0)
    second = build_model(RESNET, 3).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_failed_download_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", unreachable)
    with pytest.raises(WeightsError, match=r"resnet18-.*\.pth.*no route.*train from scratch"):
        backbone_weights("resnet18", "torchvision")


def test_torchvision_weights_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    state = _state()
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda *_, **__: state)
    model = build_model(RESNET, 3, weights="torchvision")
    assert torch.equal(model.backbone.early[0].weight, state["conv1.weight"])  # type: ignore[index, union-attr]


def test_a_backbone_without_torchvision_weights_raises() -> None:
    with pytest.raises(WeightsError, match="torchvision has no weights of smp_net"):
        backbone_weights("smp_net", "torchvision")


def test_weights_of_another_width_raise(tmp_path: Path) -> None:
    torch.save(get_model("mobilenet_v2", weights=None).state_dict(), tmp_path / "mobilenet_v2.pth")
    narrow = TrialConfig(backbone="mobilenet_v2", width=0.5)
    with pytest.raises(ValueError, match="does not fit mobilenet_v2"):
        build_model(narrow, 3, weights=tmp_path)


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(WeightsError("no weights")))  # noqa: S301
    assert isinstance(error, module.WeightsError)
    assert str(error) == "no weights"
