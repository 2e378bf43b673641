from __future__ import annotations

import pickle
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from orchestrator.forecast.simulation import BenchmarkError, load_benchmark
from orchestrator.forecast.simulation.synthetic import crossing

if TYPE_CHECKING:
    from pathlib import Path


SOURCE = """
from search_spaces import Float, SearchSpace

class Mine:
    space = SearchSpace.of(x=Float(0, 1))
    objectives = (("loss", "minimize"), ("cost", "minimize"))
    max_epochs = 2
    reference_point = {"loss": 1.0, "cost": 1.0}
    full_training_seconds = 2.0

    def known(self, config):
        return {"cost": config["x"]}

    def curve(self, config, seed):
        return [1.0, 0.5], [1.0, 2.0]

class Half:
    space = Mine.space
    max_epochs = 2

class Sideways(Mine):
    objectives = (("loss", "sideways"),)

class Boundless(Mine):
    reference_point = {"loss": 1.0}

class Unmade(Mine):
    def __init__(self):
        raise RuntimeError("no data")

class Wrong(Mine):
    space = SearchSpace.of()
    objectives = "loss"
    max_epochs = 0
    full_training_seconds = float("nan")

class Endless(Mine):
    max_epochs = float("inf")

class Twice(Mine):
    objectives = [("loss", "minimize"), ("loss", "maximize")]

class Wordy(Mine):
    reference_point = {"loss": "much", "cost": 1.0}

class Listed(Mine):
    reference_point = [1.0, 1.0]

def make():
    return Mine()

mine = Mine()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_benchmarks.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.delitem(sys.modules, "my_benchmarks", raising=False)


def test_an_instance_is_found() -> None:
    assert load_benchmark("orchestrator.forecast.simulation.synthetic:crossing") is crossing


@pytest.mark.parametrize("attribute", ["mine", "Mine", "make"])
def test_classes_and_functions_in_the_current_folder_are_called(attribute: str) -> None:
    assert load_benchmark(f"my_benchmarks:{attribute}").max_epochs == 2


def test_a_file_is_loaded_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    place = tmp_path / "folder" / "my_file.py"
    place.write_text(textwrap.dedent(SOURCE))
    assert load_benchmark(f"{place}:mine").max_epochs == 2
    assert load_benchmark("my_benchmarks.py:mine").max_epochs == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("my_benchmarks", "MODULE:ATTRIBUTE"),
        ("not_there:x", "no module 'not_there'"),
        ("some/not_there.py:x", r"no file /.*some/not_there\.py"),
        ("./my_benchmarks:x", "is no module's name"),
        ("my_benchmarks:other", "has no 'other'.*Mine"),
        ("my_benchmarks:Half", r"without objectives, .*curve\(\)"),
        ("my_benchmarks:Sideways", "sideways"),
        ("my_benchmarks:Boundless", "no cost"),
        (
            "my_benchmarks:Wrong",
            r"space must have .*; max_epochs .* 0; full_training.* nan; objectives must .*'loss'",
        ),
        ("my_benchmarks:Endless", "whole number of at least 1, got inf"),
        ("my_benchmarks:Twice", "names of their own"),
        ("my_benchmarks:Wordy", "finite numbers, got {'loss': 'much'}"),
        ("my_benchmarks:Listed", "a value by objective"),
        ("my_benchmarks:SearchSpace", "without arguments"),
        (
            "my_benchmarks:Unmade",
            r"raised RuntimeError: no data \(.*my_benchmarks\.py, line 29\)$",
        ),
    ],
)
def test_faults_are_named(text: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        load_benchmark(text)


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(BenchmarkError("why")))  # noqa: S301
    assert str(error) == "why"


def test_an_error_at_import_is_told_with_its_line(tmp_path: Path) -> None:
    lines = [
        "from search_spaces import Float, SearchSpace",
        "",
        "space = SearchSpace.of(x=Float(2, 1))",
    ]
    (tmp_path / "broken.py").write_text("\n".join(lines))
    with pytest.raises(BenchmarkError, match=r"ValueError: low must .*broken\.py, line 3\)$"):
        load_benchmark("broken:any")
