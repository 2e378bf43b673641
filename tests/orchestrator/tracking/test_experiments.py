from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.tracking.experiments import artifact_location, folder_name

HOSTILE = (
    *("/Shared/seg", "../../x", "..", ".", "~", "~root", "a/../../b", "//x", "a\\b", "C:\\x"),
    *("a%2Fb", "a?b", "a#b", "a\0b", "a\nb", "x" * 500, "ß" * 500, "日/本", "\ud800", "a:b@c"),
)


@pytest.mark.parametrize(
    "name", ["segsweep", "my experiment", "Straße 2", "a.b-c_d", "x (2), y=1", "a+b@c"]
)
def test_an_ordinary_experiment_keeps_its_name(name: str) -> None:
    assert folder_name(name) == name


@given(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)))
@example(".hidden")
def test_every_experiment_has_one_folder_in_its_root(name: str) -> None:
    folder = folder_name(name)
    assert folder
    assert folder not in {".", ".."}
    assert not {"/", "\\", "\0", "\n", "?", "#", "%"} & set(folder)
    assert len(folder.encode()) <= 200
    assert (Path("/storage/mlruns") / folder).parent == Path("/storage/mlruns")


@given(st.text(min_size=1), st.text(min_size=1))
@example(".", "~00002e")
@example("a/b", "a~00002fb")
@example("x" * 201, "x" * 202)
def test_two_experiments_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_address_of_the_artifacts_is_below_the_root(name: str) -> None:
    root = Path("/runs/we?ird #1")
    location = artifact_location("sqlite:////runs/mlflow.db", root, name)
    assert location is not None
    assert Path(unquote(urlsplit(location).path)).parent == root


def test_a_server_chooses_its_own_place() -> None:
    assert artifact_location("https://mlflow", Path("/runs"), "/Shared/seg") is None
