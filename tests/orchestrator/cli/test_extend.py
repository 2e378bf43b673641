from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.cli.shared.errors import CliError
from search_spaces.config import TrialConfig

if TYPE_CHECKING:
    from pathlib import Path

DATA = """
data:
  format: synthetic
  root: {root}
  synthetic_train_images: 4
  synthetic_val_images: 2
space: {{resolution: 32x64}}
teacher: null
storage: {{root: {root}/runs}}
"""


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Write a model that knows all generated classes but the last, and a sweep file."""
    import torch

    from orchestrator.spec.parse import load_spec
    from trainables.data.layouts.registry import open_layout
    from trainables.models.build import build_model
    from trainables.training.checkpoint import save_best

    spec = tmp_path / "data.yaml"
    spec.write_text(DATA.format(root=tmp_path / "scenes"), encoding="utf-8")
    parsed = load_spec(spec)
    names = open_layout(parsed.data, parsed.storage.cache_dir).class_names
    config = TrialConfig.from_mapping(
        {"arch": "lraspp", "width": 0.5, "output_stride": 32, "resolution": "32x64"}
    )
    torch.manual_seed(0)
    model = build_model(config, len(names) - 1)
    facts = {"config": config.to_mapping(), "class_names": list(names[:-1])}
    save_best(tmp_path / "model", model.state_dict(), facts)
    options = ["--old", str(spec), "--data", str(spec), "--new-classes", names[-1]]
    out = ["--out", str(tmp_path / "out"), "--epochs", "1", "--exemplars", "2"]
    return ["extend", str(tmp_path / "model"), *options, *out]


@pytest.mark.slow
def test_a_model_learns_a_class_from_the_command_line(given: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*given, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["classes"][-1] == given[given.index("--new-classes") + 1]
    assert found["forgetting"] == pytest.approx(found["old_miou_before"] - found["old_miou"])
    assert len(found["exemplars"]) == 2
    assert (tmp_path / "out" / "best.safetensors").is_file()
    with pytest.raises(CliError, match="already holds a model"):
        CliRunner().invoke(app, given, catch_exceptions=False)


@pytest.mark.slow
def test_unusable_classes_are_reported_in_one_line(given: list[str]) -> None:
    given[given.index("--new-classes") + 1] = "unicorn"
    with pytest.raises(CliError, match="the new data has no class unicorn"):
        CliRunner().invoke(app, given, catch_exceptions=False)


def test_impossible_settings_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    words = ["extend", str(tmp_path), "--old", "a", "--data", "b", "--new-classes", "c"]
    with pytest.raises(CliError, match="these must hold: epochs >= 1"):
        CliRunner().invoke(app, [*words, "--out", "d", "--epochs", "0"], catch_exceptions=False)
