from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import pytest
import torch
from torchvision.models import ResNet18_Weights, get_model

from search_spaces.config import TrialConfig
from trainables.models.readiness import UnbuildableError, check_networks

if TYPE_CHECKING:
    from pathlib import Path


def config(backbone: str = "resnet18", **other: Any) -> TrialConfig:
    return TrialConfig.from_mapping({"backbone": backbone, **other})


def save(folder: Path, *names: str) -> None:
    for name in names:
        torch.save(get_model(name, weights=None).state_dict(), folder / f"{name}.pth")


def test_networks_without_weights_are_passed_over() -> None:
    check_networks([config(), config("mobilenet_v2", width=0.5)], None)
    check_networks([config()], "none")


def test_weights_that_fit_are_no_fault_and_draw_no_random_number(tmp_path: Path) -> None:
    save(tmp_path, "resnet18", "mobilenet_v2")
    state = torch.random.get_rng_state()
    check_networks([config(), config("mobilenet_v2")], str(tmp_path))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_all_that_is_missing_or_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    save(tmp_path, "mobilenet_v2")
    (tmp_path / "resnet50.pth").write_bytes(b"no tensors")
    networks = [
        config(),
        config(output_stride=32),
        config("resnet50"),
        config("mobilenet_v2"),
        config("mobilenet_v2", width=0.5),
    ]
    with pytest.raises(UnbuildableError) as caught:
        check_networks(networks, tmp_path)
    heading, *lines = str(caught.value).splitlines()
    assert heading == "3 faults in the networks of the sweep:"
    assert "deeplabv3plus on resnet18: there are no weights of resnet18" in lines[0]
    assert "resnet50.pth is not a readable file of tensors" in lines[1]
    assert "deeplabv3plus on mobilenet_v2, width 0.5: " in lines[2]
    assert "does not fit mobilenet_v2" in lines[2]


def test_a_path_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnbuildableError, match=r"a file or folder .*absent.*give a file, a folder"):
        check_networks([config()], tmp_path / "absent")


def test_without_a_network_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", unreachable)
    with pytest.raises(
        UnbuildableError, match=r"cannot be downloaded from .*resnet18-.*from scratch"
    ):
        check_networks([config()], "torchvision")


@pytest.mark.slow
def test_a_library_is_asked_before_anything_starts() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    unknown = config("timm/no_such_net", arch="smp/Unet")
    refused = config("smp/mit_b0", arch="smp/Linknet")
    sound = config("timm/resnet10t", arch="smp/Unet")
    with pytest.raises(UnbuildableError) as caught:
        check_networks([unknown, sound, refused], None)
    text = str(caught.value)
    assert "2 faults" in text
    assert "cannot build smp/Unet on timm/no_such_net" in text
    assert "cannot build smp/Linknet on smp/mit_b0" in text
    with pytest.raises(UnbuildableError, match="does not fit the encoders of smp"):
        check_networks([sound], "torchvision")


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UnbuildableError("no weights")))  # noqa: S301
    assert isinstance(error, UnbuildableError)
    assert str(error) == "no weights"
