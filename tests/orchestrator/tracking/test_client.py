"""MLflow's client and experiments."""

from __future__ import annotations

import pickle
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.tracking.client import (
    TrackingError,
    TrackingRefusedError,
    TrackingUnavailableError,
    artifact_location,
    folder_name,
    is_remote,
    sqlite_folder,
    tracking_errors,
)


class CodedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(f"first line of {code}\nsecond line")
        self.error_code = code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("INVALID_PARAMETER_VALUE", TrackingRefusedError),
        ("BAD_REQUEST", TrackingRefusedError),
        ("INTERNAL_ERROR", TrackingUnavailableError),
        ("RESOURCE_DOES_NOT_EXIST", TrackingUnavailableError),
        ("PERMISSION_DENIED", TrackingUnavailableError),
    ],
)
def test_errors_are_classified_by_their_code(code: str, expected: type[Exception]) -> None:
    with (
        pytest.raises(expected, match=f"^cannot do it: first line of {code}$"),
        tracking_errors("do it"),
    ):
        raise CodedError(code)


def test_a_broken_connection_is_unavailable() -> None:
    with pytest.raises(TrackingUnavailableError, match="refused"), tracking_errors("do it"):
        raise ConnectionError("refused")


def test_our_own_errors_are_raised_unchanged() -> None:
    with pytest.raises(TrackingRefusedError, match=r"^as it was$"), tracking_errors("do it"):
        raise TrackingRefusedError("as it was")


@pytest.mark.parametrize("kind", [TrackingError, TrackingRefusedError, TrackingUnavailableError])
def test_failures_survive_pickling(kind: type[TrackingError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("text")))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert str(copy) == "text"


def test_the_kind_of_store_follows_from_its_address() -> None:
    assert sqlite_folder("sqlite:////data/mlflow.db") == Path("/data")
    assert sqlite_folder("http://host") is None
    assert is_remote("https://host/path")
    assert not is_remote("sqlite:///mlflow.db")
    assert not is_remote("postgresql://host/db")


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
