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


def test_networks_without_weights_are_skipped() -> None:
    check_networks([config(), config("mobilenet_v2", width=0.5)], None)
    check_networks([config()], "none")


def test_fitting_weights_are_no_fault_and_keep_the_random_state(tmp_path: Path) -> None:
    save(tmp_path, "resnet18", "mobilenet_v2")
    state = torch.random.get_rng_state()
    check_networks([config(), config("mobilenet_v2")], str(tmp_path))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_all_missing_or_unfitting_weights_are_reported_together(tmp_path: Path) -> None:
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


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnbuildableError, match=r"a file or folder .*absent.*give a file, a folder"):
        check_networks([config()], tmp_path / "absent")


def test_a_failed_download_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", unreachable)
    with pytest.raises(
        UnbuildableError, match=r"cannot be downloaded from .*resnet18-.*from scratch"
    ):
        check_networks([config()], "torchvision")


@pytest.mark.slow
def test_networks_of_the_library_are_built_in_advance() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    unknown = config("timm/no_such_net", arch="smp/Unet")
    refused = config("smp/mit_b0", arch="smp/Linknet")
    valid = config("timm/resnet10t", arch="smp/Unet")
    with pytest.raises(UnbuildableError) as caught:
        check_networks([unknown, valid, refused], None)
    text = str(caught.value)
    assert "2 faults" in text
    assert "cannot build smp/Unet on timm/no_such_net" in text
    assert "cannot build smp/Linknet on smp/mit_b0" in text
    with pytest.raises(UnbuildableError, match="does not fit the encoders of smp"):
        check_networks([valid], "torchvision")


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(UnbuildableError("no weights")))  # noqa: S301
    assert isinstance(error, UnbuildableError)
    assert str(error) == "no weights"
