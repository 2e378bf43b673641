from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.text.paths import absolute_paths
from orchestrator.spec.text.sqlite_uri import sqlite_file, sqlite_uri

WEIRD = ("/a%25b", "/a?b", "/a#b", "/100%", "/a b", "/ü日", "/a'b\"c", "/a:b@c", "/a%2Fb", "/a\\b")


@pytest.mark.parametrize("folder", WEIRD)
def test_sqlalchemy_reads_the_file_that_was_meant(folder: str) -> None:
    from sqlalchemy.engine import make_url

    url = make_url(sqlite_uri(Path(folder) / "mlflow.db"))
    assert url.database == f"{folder}/mlflow.db"
    assert not url.query


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_an_address_names_the_file_it_was_made_of(name: str) -> None:
    file = Path("/") / name / "mlflow.db"
    assert sqlite_file(sqlite_uri(file)) == file


def test_a_usual_address_is_as_ever() -> None:
    assert sqlite_uri(Path("/runs/a b/mlflow.db")) == "sqlite:////runs/a b/mlflow.db"
    assert sqlite_file("postgresql://host/db") is None
    assert sqlite_file("sqlite:////runs/x.db?timeout=5") == Path("/runs/x.db")


@pytest.mark.parametrize("folder", WEIRD)
def test_a_relative_address_lies_below_its_base(folder: str) -> None:
    settings = {"tracking": {"uri": "sqlite:///own.db?timeout=5"}}
    found = absolute_paths(settings, Path(folder))
    assert isinstance(found, dict)
    uri = found["tracking"]["uri"]
    assert sqlite_file(uri) == Path(folder) / "own.db"
    assert uri.endswith("?timeout=5")
