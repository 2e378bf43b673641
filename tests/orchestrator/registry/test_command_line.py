"""Promotion and prediction from the command line, with an ignored class and ASCII output."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

CONFIG = {"backbone": "mobilenet_v3_small", "resolution": "64x96", "batch_size": 4}
IMAGES = 6


def write_data_set(root: Path) -> None:
    """Write a data set of the layout ``folder`` whose masks have the labels 0 (void), 1 and 2."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", IMAGES)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            mask = np.repeat([[0], [1], [2], [1]], 16, axis=0).repeat(96, axis=1).astype(np.uint8)
            noise = rng.integers(0, 40, (64, 96, 3), dtype=np.uint8)
            pixels = (mask[..., None] * 100 + noise).astype(np.uint8)
            Image.fromarray(pixels).save(root / "images" / split / f"{number}.png")
            Image.fromarray(mask).save(root / "masks" / split / f"{number}.png")


@pytest.fixture(scope="module")
def sweep(
    tmp_path_factory: pytest.TempPathFactory,
    train_one: Callable[..., tuple[SweepSpec, SweepFolder]],
) -> SweepFolder:
    """A sweep of one trial on data with the classes void (ignored), Straße and b."""
    root = tmp_path_factory.mktemp("command_line")
    write_data_set(root / "set")
    _, folder = train_one(
        root / "runs",
        CONFIG,
        "data.format=folder",
        f"data.root={root / 'set'}",
        "data.class_names=[void, Straße, b]",
        "data.ignore_index=0",
        "space.resolution=[64x96, 128x192]",
    )
    return folder


@pytest.fixture
def ascii_command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Return what runs a command as with PYTHONIOENCODING=ascii: exit code, output, messages."""

    def run(*arguments: str) -> tuple[int, str, str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        written = []
        for stream in (out, err):
            stream.flush()
            written.append(stream.buffer.getvalue().decode("ascii"))
        assert isinstance(caught.value.code, int)
        return caught.value.code, written[0], written[1]

    return run


@pytest.fixture
def promoted(sweep: SweepFolder, ascii_command: Callable[..., tuple[int, str, str]]) -> str:
    """Return what the promotion of the trial prints; it is champion of the model ``street``."""
    words = ("--name", "street", "--latency-tolerance", "50", "--storage", str(sweep.root))
    code, out, err = ascii_command("promote", *words)
    assert code == 0, out + err
    return out


def test_a_trial_with_an_ignored_class_is_promoted_in_ascii(
    promoted: str, sweep: SweepFolder, ascii_command: Callable[..., tuple[int, str, str]]
) -> None:
    assert "street@champion" in promoted
    code, out, _ = ascii_command("models", "street", "--json", "--storage", str(sweep.root))
    assert code == 0
    (version,) = json.loads(out)
    assert version["aliases"] == ["champion"]
    # scored on masks of 128x192, the largest resolution of the space, as the trial was
    recorded = json.loads(ascii_command("report", "--json", "--storage", str(sweep.root))[1])
    (row,) = recorded["trials"]
    assert version["figures"]["miou"] == pytest.approx(row["objectives"]["miou"], abs=1e-4)


@pytest.mark.usefixtures("promoted")
def test_predictions_have_the_classes_without_the_ignored_one(
    sweep: SweepFolder, ascii_command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    images = sweep.root.parent / "set" / "images" / "val"
    words = ("street", str(images), "--out", str(tmp_path), "--storage", str(sweep.root))
    code, out, err = ascii_command("predict", *words, "--json")
    assert code == 0, err
    assert json.loads(out)["class_names"] == ["Straße", "b"]
    masks = [np.asarray(Image.open(path)) for path in (tmp_path / "masks").glob("*.png")]
    assert len(masks) == IMAGES
    assert {int(value) for mask in masks for value in np.unique(mask)} <= {0, 1}
    with (tmp_path / "shares.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "Straße", "b"]
    assert all(float(row["Straße"]) + float(row["b"]) == pytest.approx(1) for row in rows)


@pytest.mark.usefixtures("promoted")
def test_a_second_prediction_into_the_folder_of_the_images_repeats_the_first(
    sweep: SweepFolder, ascii_command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for path in (sweep.root.parent / "set" / "images" / "val").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    words = ("street", str(tmp_path), "--out", str(tmp_path), "--storage", str(sweep.root))
    results = []
    for _ in range(2):
        code, out, err = ascii_command("predict", *words)
        assert code == 0, err
        assert "\\xdfe" in out
        written = {
            path.relative_to(tmp_path): path.read_bytes() for path in sorted(tmp_path.rglob("*.*"))
        }
        results.append((out, written))
    assert results[0] == results[1]
    assert len(results[0][1]) == 3 * IMAGES + 1
