from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli.predict import _groups, _predicted, _readable
from orchestrator.cli.shared.errors import CliError
from trainables.inference import predictor
from trainables.inference.images import ImageFile

if TYPE_CHECKING:
    from collections.abc import Callable


def test_impossible_settings_are_named_together(segsweep: Callable[..., Any]) -> None:
    arguments = ("--mode", "other", "--overlap", "1", "--zoom", "0.5")
    outcome = segsweep("predict", "street@champion", "a.png", "--out", "out", *arguments)
    assert outcome.code == 2
    for text in ("--mode must be one of", "--overlap must be", "--zoom must be"):
        assert text in outcome.err


def test_images_that_are_not_there_are_named_before_anything_loads(
    segsweep: Callable[..., Any],
) -> None:
    outcome = segsweep("predict", "street@champion", "gone.png", "--out", "out")
    assert outcome.code == 2
    assert "gone.png does not exist" in outcome.err


def test_neighbours_of_one_size_go_in_one_pass(tmp_path: Path) -> None:
    sizes = [(4, 4), (4, 4), (4, 4), (5, 4), (4, 4)]
    pictures = [
        (ImageFile(tmp_path / f"{number}.png", str(number)), np.zeros((*size, 3), np.uint8))
        for number, size in enumerate(sizes)
    ]
    groups = list(_groups(iter(pictures), 2))
    assert [[file.name for file, _ in group] for group in groups] == [
        ["0", "1"],
        ["2"],
        ["3"],
        ["4"],
    ]


def test_a_broken_image_is_passed_over_and_named(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    faults: list[str] = []
    files = [ImageFile(tmp_path / f"{name}.png", name) for name in ("bad", "good")]
    found = [(file.name, image.shape) for file, image in _readable(files, faults)]
    assert found == [("good", (3, 4, 3))]
    assert len(faults) == 1
    assert "bad.png" in faults[0]


def test_a_portrait_photograph_is_read_as_it_is_displayed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "phone.jpg", exif=exif)
    faults: list[str] = []
    found = list(_readable([ImageFile(tmp_path / "phone.jpg", "phone")], faults))
    assert [(image.shape, faults) for _, image in found] == [((40, 30, 3), [])]


def test_an_image_over_the_limit_names_the_option(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "large.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "large.jpg").read_bytes()[:300])
    faults: list[str] = []
    files = [ImageFile(tmp_path / f"{name}.jpg", name) for name in ("large", "cut")]
    assert list(_readable(files, faults, 1000)) == []
    assert "40x30 (1,200 pixels), over the limit of 1,000 pixels" in faults[0]
    assert "--max-image-pixels" in faults[0]
    assert "cut.jpg" in faults[1]


def test_a_model_whose_logits_are_not_finite_ends_with_one_message(tmp_path: Path) -> None:
    """The error is of the class in the model's own files, not of the one that is installed."""
    source = Path(predictor.__file__)
    spec = importlib.util.spec_from_file_location("packed_predictor", source)
    assert spec is not None
    assert spec.loader is not None
    packed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packed)
    description = {
        "class_names": ["a", "b"],
        "resolution": [4, 4],
        "preprocessing": {"mean": [0, 0, 0], "std": [1, 1, 1]},
    }
    broken = packed.Predictor(lambda images: images[:, :2] * float("nan"), description)
    model = SimpleNamespace(
        predict=broken.masks, version=SimpleNamespace(version=3), class_names=("a", "b")
    )
    pictures = [(ImageFile(tmp_path / "a.png", "a"), np.zeros((4, 4, 3), np.uint8))]
    with pytest.raises(CliError, match=r"^version 3, a: the model's logits are not finite"):
        list(_predicted(model, pictures, tmp_path / "out", 8, {}))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
