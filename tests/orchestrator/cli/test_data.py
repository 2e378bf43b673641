from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.orchestrator.cli.conftest import Outcome

SPEC = """
data: {format: folder, root: set, class_names: [sky, road], ignore_index: 2}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / "set" / kind / split).mkdir(parents=True)
        for name in "ab":
            image = rng.integers(0, 255, (8, 12, 3), dtype=np.uint8)
            mask = rng.integers(0, 3, (8, 12), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / "set" / "images" / split / f"{name}.png")
            Image.fromarray(mask).save(tmp_path / "set" / "masks" / split / f"{name}.png")
    path = tmp_path / "sweep.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_a_sound_set_is_shown_with_its_classes(
    segsweep: Callable[..., Outcome], spec: Path
) -> None:
    outcome = segsweep("data", "check", str(spec))
    assert outcome.code == 0
    assert "train: 2 images; 8x12 (2)" in outcome.out
    assert "road" in outcome.out
    assert outcome.err.splitlines()[-1] == f"plan a sweep: segsweep plan {spec}"


def test_json_has_frequencies_that_add_up(segsweep: Callable[..., Outcome], spec: Path) -> None:
    found = json.loads(segsweep("data", "check", str(spec), "--json").out)
    assert found["ok"]
    for split in found["splits"].values():
        assert sum(split["class_frequencies"].values()) == pytest.approx(1.0)


def test_every_broken_file_is_named(segsweep: Callable[..., Outcome], spec: Path) -> None:
    root = spec.parent / "set"
    (root / "images" / "train" / "a.png").write_bytes(b"no image")
    Image.fromarray(np.full((8, 12), 7, dtype=np.uint8)).save(root / "masks" / "val" / "b.png")
    outcome = segsweep("data", "check", str(spec))
    assert outcome.code == 2
    assert "train/a.png" in outcome.err
    assert "val/b.png" in outcome.err
    assert json.loads(segsweep("data", "check", str(spec), "--json").out)["ok"] is False


def test_a_missing_folder_is_one_message(segsweep: Callable[..., Outcome], spec: Path) -> None:
    outcome = segsweep("data", "check", str(spec), "--set", "data.root=nowhere")
    assert outcome.code == 2
    assert "nowhere" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.fixture
def warned(spec: Path) -> str:
    """Return a spec whose data set has a warning: a mask without an image."""
    (spec.parent / "set" / "images" / "val" / "b.png").unlink()
    return str(spec)


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "check"),
        pytest.param(("plan",), marks=pytest.mark.slow),  # simulates dozens of sweeps
        ("submit", "--storage", "/shared", "--dry-run"),
    ],
)
def test_every_verb_shows_the_warnings_of_the_data(
    segsweep: Callable[..., Outcome], warned: str, arguments: tuple[str, ...]
) -> None:
    small = ("--set", "budget.trials=2", "--set", "budget.epochs=1", "--set", "teacher=null")
    outcome = segsweep(*arguments, warned, *small)
    assert outcome.code == 0
    assert "warning: " in outcome.err
    assert "b.png: is a mask without an image" in outcome.err


@pytest.mark.parametrize(
    "arguments", [("plan",), ("submit", "--storage", "/s", "--dry-run"), ("teacher", "train")]
)
def test_data_that_cannot_teach_ends_every_verb_at_once(
    segsweep: Callable[..., Outcome], spec: Path, arguments: tuple[str, ...]
) -> None:
    for path in (spec.parent / "set" / "masks" / "val").iterdir():
        Image.fromarray(np.full((8, 12), 2, dtype=np.uint8)).save(path)
    outcome = segsweep(*arguments, str(spec), "--set", "teacher={}")
    assert outcome.code == 2
    assert "no pixel of split 'val' is labelled: its masks hold 2 (100.0%)" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_submission_of_remote_data_reports_where_it_is_checked(
    segsweep: Callable[..., Outcome], spec: Path
) -> None:
    elsewhere = ("--set", "data.root=/no/such/place")
    outcome = segsweep("submit", str(spec), *elsewhere, "--storage", "/shared", "--dry-run")
    assert outcome.code == 0
    assert "/no/such/place is not a folder of this machine; the job checks the data" in outcome.err
