"""Broken specs and command lines: a message and an exit code, never a traceback."""

from __future__ import annotations

import copy
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cli.main import app, main
from orchestrator.spec.parse import (
    SECTIONS,
    demo_settings,
    dump_spec,
    load_spec,
    parse_spec,
    settle_spec,
)
from orchestrator.spec.text import SpecError

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
PATHS = [
    *(f"{name}.{field.name}" for name, kind in SECTIONS.items() for field in fields(kind)),
    *("space", "space.arch", "space.learning_rate", "objectives", "constraints"),
]
WORDS = st.text(max_size=15) | st.sampled_from(
    [
        *("--json", "--help", "--set", "--storage", "--preset", "--name", "-h", "--", "-"),
        *("../../x", "/dev/null", "/", "budget.trials=0", "a.b.c=[", "=", "\n", "\x1b[2J", "中"),
        *("latest", "demo", "joint", "mobile", "100", "-1", "nan"),
    ]
)
VERBS = [
    *(["report"], ["list"], ["verify"], ["presets"], ["models"], ["data", "check"]),
    *(["predict"], ["promote"], ["rollback"], ["resume"], ["export"], ["extend"], ["ui"]),
    *(["status"], ["logs"], ["stop"], ["top"], ["teacher"], ["nonsense"], []),
]
"""Commands that, without a sweep, a model or a cluster, end at once whatever they are given."""
NO_DATA = ("data.format=folder", "data.class_names=[a, b]", "data.root=nowhere/at/all")
BROKEN_SPECS: list[tuple[str, ...]] = [
    ("--set", "budget.trials=0"),
    ("--set", "no.such=setting"),
    ("--set", "space.arch=["),
    ("--set", "neither path nor value"),
    ("--set", "tracking.uri=postgresql://me:geheim@db/x"),
    ("--preset", "no such preset\n"),
    ("--no-such-option",),
    tuple(word for setting in NO_DATA for word in ("--set", setting)),
]
"""What a sweep cannot be run with; the last one is found by looking for the images."""
BROKEN: dict[tuple[str, ...], list[tuple[str, ...]]] = {
    ("run",): [*BROKEN_SPECS, ("--id", "../x"), ("--id", "Not\nan id")],
    ("plan",): [*BROKEN_SPECS[:-1], ("--cpus", "0"), ("--gpus", "nan")],
    ("data", "check"): BROKEN_SPECS,
    ("teacher", "train"): BROKEN_SPECS,
    ("submit",): [*BROKEN_SPECS[:-1], ("--resume", "a", "b.yaml")],
    ("profile",): [
        ("--set", "arch=nope"),
        ("--set", "resolution=0x0"),
        ("--set", "latency_ms=3"),
        ("--set", "num_classes=-1"),
        ("--set", "="),
        ("--no-such-option",),
    ],
    ("simulate",): [
        ("--benchmark", "no.such:thing"),
        ("--benchmark", "os:remove\n"),
        ("--searcher", "nope"),
        ("--scheduler", "nope"),
        ("--budget", "-1"),
        ("--workers", "0"),
    ],
    ("papers",): [("--write", "/dev/null/x"), ("--no-such-option",)],
    ("doctor",): [("--address", "nowhere"), ("--address", "http://127.0.0.1:1"), ("--x",)],
}
"""Commands that do something, each with what it cannot be given."""
OVERRIDES = st.tuples(
    st.sampled_from(PATHS) | st.text(max_size=10),
    VALUES.map(lambda value: yaml.safe_dump(value, default_flow_style=True).strip()) | WORDS,
).map(lambda both: ("--set", f"{both[0]}={both[1]}"))
HARMLESS = st.sampled_from(
    [("--json",), ("--name", "a\nb ä 中"), ("--name", "../../x"), ("missing\n.yaml",)]
)


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


def outcome(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return exit code and error output, after what no command line may lead to was looked for."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert ended.value.code in {0, 2}, (words, said.err)
    assert "Traceback" not in said.err + said.out
    assert "unexpected error" not in said.err
    assert all(char.isprintable() or char == "\n" for char in said.err)
    return int(ended.value.code or 0), said.err


def files(folder: Path) -> set[str]:
    """Return what lies in the folder but for what libraries keep at home."""
    return {str(p) for p in folder.rglob("*") if "home" not in p.relative_to(folder).parts}


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(verb=st.sampled_from(VERBS), words=st.lists(WORDS, max_size=4))
def test_any_command_line_ends_with_a_message(
    verb: list[str], words: list[str], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome([*verb, *words], capsys)
    strangers = {path.name for path in workplace.iterdir()} - {"here", "home", "runs"}
    assert not strangers


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), verb=st.sampled_from(sorted(BROKEN)))
def test_impossible_requests_fail_before_anything_is_written(
    data: st.DataObject, verb: tuple[str, ...], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = verb not in {("simulate",), ("papers",), ("doctor",)}
    around = st.lists(OVERRIDES | HARMLESS, max_size=3) if spec else st.just([])
    words = [word for group in data.draw(around) for word in group]
    words += data.draw(st.sampled_from(BROKEN[verb]))
    before = files(workplace)
    code, said = outcome([*verb, *words], capsys)
    assert code == 2
    assert said.strip()
    assert "geheim" not in said
    assert files(workplace) == before


def test_every_command_is_among_those_that_are_tried() -> None:
    known = {name for group in (*VERBS, *map(list, BROKEN)) for name in group[:1]}
    made = {
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    }
    assert made | {group.name for group in app.registered_groups} <= known
