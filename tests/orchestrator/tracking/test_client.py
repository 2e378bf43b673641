from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from orchestrator.tracking.client import is_remote, sqlite_folder, tracking_errors
from orchestrator.tracking.errors import (
    TrackingError,
    TrackingRefusedError,
    TrackingUnavailableError,
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
