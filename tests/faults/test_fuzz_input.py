"""Broken specs and command lines: a message and an exit code, never a traceback."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cli.main import main
from orchestrator.spec.demo import demo_settings
from orchestrator.spec.dump import dump_spec, settle_spec
from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import load_spec, parse_spec
from orchestrator.spec.sections import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.spec.sweep_spec import SweepSpec

pytestmark = pytest.mark.slow

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "..", "/", "~nobody/x", "\0", "${HOME}", "inf", "1e400", "-1", "0x1F", "\n", "no"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = [*sorted(RULES), "space", "space.arch", "space.learning_rate", "objectives", "constraints"]
WORDS = st.text(max_size=15) | st.sampled_from(
    [
        *("--json", "--help", "--set", "--storage", "--preset", "--name", "-h", "--", "-"),
        *("../../x", "/dev/null", "/", "budget.trials=0", "a.b.c=[", "=", "\n", "\x1b[2J", "中"),
        *("latest", "demo", "joint", "mobile", "100", "-1", "nan"),
    ]
)
VERBS = [
    *(["report"], ["list"], ["verify"], ["presets"], ["models"], ["data", "check"]),
    *(["predict"], ["promote"], ["rollback"], ["resume"], ["export"], []),
]


def changed(path: str, value: object) -> dict[str, Any]:
    settings_: dict[str, Any] = copy.deepcopy(demo_settings())
    *parents, last = path.split(".")
    place = settings_
    for name in parents:
        if not isinstance(place.get(name), dict):
            place[name] = {}
        place = place[name]
    place[last] = value
    return settings_


def outcome_of(read: Callable[[], SweepSpec]) -> SweepSpec | SpecError:
    try:
        return read()
    except SpecError as error:
        return error


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_any_value_anywhere_gives_a_spec_that_comes_back_or_named_faults(
    path: str, value: object
) -> None:
    outcome = outcome_of(lambda: parse_spec(changed(path, value)))
    if isinstance(outcome, SpecError):
        assert outcome.faults
        assert all(fault.path for fault in outcome.faults)
        return
    settled = settle_spec(outcome)
    assert parse_spec(yaml.safe_load(dump_spec(settled))) == settled


@settings(max_examples=100)
@given(content=st.binary(max_size=120) | st.text(max_size=120).map(str.encode))
def test_any_bytes_as_a_file_give_a_spec_or_named_faults(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    path.write_bytes(content)
    outcome = outcome_of(lambda: load_spec(path))
    assert not isinstance(outcome, SpecError) or outcome.faults


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SEGSWEEP_STORAGE", str(tmp_path / "runs"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = Path.cwd()
    (tmp_path / "here").mkdir()
    os.chdir(tmp_path / "here")
    yield tmp_path
    os.chdir(before)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(verb=st.sampled_from(VERBS), words=st.lists(WORDS, max_size=4))
def test_any_command_line_ends_with_a_message(
    verb: list[str], words: list[str], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb, *words])
    said = capsys.readouterr()
    assert ended.value.code in {0, 2}, said.err
    assert "Traceback" not in said.err + said.out
    assert "unexpected error" not in said.err
    strangers = {path.name for path in workplace.iterdir()} - {"here", "home", "runs"}
    assert not strangers
