from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.spec.text.paths import absolute_paths

BASE = Path("/base")


@pytest.mark.parametrize(
    ("section", "key", "given", "path"),
    [
        ("data", "root", "city", "/base/city"),
        ("data", "root", "../city", "/city"),
        ("data", "root", "/city", "/city"),
        ("data", "root", "s3://bucket/city", "s3://bucket/city"),
        ("storage", "cache", "c", "/base/c"),
        ("teacher", "checkpoint", "t.pt", "/base/t.pt"),
        ("training", "weights", "torchvision", "torchvision"),
        ("training", "weights", "w", "/base/w"),
        ("tracking", "uri", "sqlite:///m.db", "sqlite:////base/m.db"),
        ("tracking", "uri", "https://host", "https://host"),
        ("tracking", "experiment", "e", "e"),
    ],
)
def test_relative_paths_are_below_the_base(section: str, key: str, given: str, path: str) -> None:
    settings = {section: {key: given, "other": 1}, "name": "x"}
    assert absolute_paths(settings, BASE) == {section: {key: path, "other": 1}, "name": "x"}
    assert settings[section] == {key: given, "other": 1}


@pytest.mark.parametrize("settings", [None, 3, [], {"data": None}, {"data": {"root": 3}}])
def test_values_that_are_not_text_stay(settings: object) -> None:
    assert absolute_paths(settings, BASE) == settings
