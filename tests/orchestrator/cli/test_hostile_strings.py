"""Names, paths and characters that a terminal, a file system or MLflow reads another way."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli.main import main
from orchestrator.spec.parse import dump_spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from tests.orchestrator.cli.conftest import Outcome

SPEC = """
name: Straße
data: {format: folder, root: set, class_names: [Straße, 空, road], ignore_index: 3}
teacher: null
"""


def run_in_ascii(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """Return the exit code and what is printed where standard output takes ASCII alone."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out.flush()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out.buffer.getvalue().decode("ascii")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, shape in (("images", (8, 12, 3)), ("masks", (8, 12))):
            folder = tmp_path / "set" / kind / split
            folder.mkdir(parents=True)
            pixels = rng.integers(0, 3, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "a.png")
    path = tmp_path / "sweep.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_data_check_in_ascii_escapes_class_names(
    spec: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    code, out = run_in_ascii(monkeypatch, "data", "check", str(spec), *options)
    assert code == 0
    assert ("Stra\\u00dfe" if options else "Stra\\xdfe") in out


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("presets",), ("list",), ("report",), ("report", "--json")],
)
def test_commands_print_in_ascii(
    finished: SweepFolder, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    settled = load_spec(finished.spec)
    finished.spec.write_text(dump_spec(replace(settled, name="Straße 空")), encoding="utf-8")
    monkeypatch.setenv("SEGSWEEP_STORAGE", str(finished.root))
    code, out = run_in_ascii(monkeypatch, *arguments)
    assert code == 0
    assert out


def test_an_error_in_ascii_is_one_line_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_in_ascii(monkeypatch, "data", "check", str(tmp_path / "ß.yaml"))[0] == 2


@pytest.mark.parametrize("name", ["night/drive: v1.0", "a:b", "../x", "Straße/1"])
def test_a_promotion_under_a_name_that_mlflow_forbids_asks_for_another(
    segsweep: Callable[..., Outcome], finished: SweepFolder, name: str
) -> None:
    settled = load_spec(finished.spec)
    finished.spec.write_text(dump_spec(replace(settled, name=name)), encoding="utf-8")
    finished.ledger.unlink()  # the name comes before any work
    outcome = segsweep("promote", finished.sweep_id)
    assert outcome.code == 2
    assert "--name" in outcome.err
    assert repr(name) in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.slow  # opens MLflow
def test_a_promotion_under_a_name_of_its_own_gets_past_the_sweeps(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    settled = load_spec(finished.spec)
    finished.spec.write_text(
        dump_spec(replace(settled, name="night/drive: v1.0")), encoding="utf-8"
    )
    outcome = segsweep("promote", finished.sweep_id, "--trial", "t00002", "--name", "night")
    assert outcome.code == 2  # that trial failed
    assert "cannot name a model" not in outcome.err
