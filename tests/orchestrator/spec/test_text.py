"""The text of a spec."""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import dump_spec, parse_spec, settle_spec
from orchestrator.spec.text import (
    SpecError,
    absolute_paths,
    lay_over,
    read_overrides,
    read_yaml,
    sqlite_file,
    sqlite_uri,
)
from search_spaces.faults import Fault
from trainables.io.redaction import SecretError, forget_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_all_faults_stand_in_the_message() -> None:
    error = SpecError([Fault("a.b", "wrong"), Fault("c", "missing")], "x.yaml")
    assert str(error) == "2 faults in x.yaml:\n  a.b: wrong\n  c: missing"
    assert str(SpecError([Fault("a", "b")])).startswith("1 fault in the spec:")


def test_it_survives_pickling() -> None:
    error = SpecError([Fault("a.b", "wrong")], "x.yaml")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is SpecError
    assert (again.faults, again.source, str(again)) == (error.faults, error.source, str(error))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_a_syntax_error_names_line_and_column() -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml("data:\n  root: [1, 2\nbudget: 3\n", "a.yaml")
    (fault,) = caught.value.faults
    assert fault.path == "line 3, column 7"
    assert "a.yaml" in str(caught.value)


def test_a_key_given_twice_is_no_silent_loss() -> None:
    with pytest.raises(SpecError, match=r"line 3, column 1.*'data' is given twice"):
        read_yaml("data: {}\nname: a\ndata: {root: x}\n", "a.yaml")


def test_merge_keys_and_anchors_still_work() -> None:
    text = "base: &b {x: 1}\nother: &c {y: 3}\nall:\n  <<: *b\n  <<: *c\n  z: 2\n"
    assert read_yaml(text, "a")["all"]["z"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    "text",
    ["{a: [", "\x00", "a: !!python/object:os.system {}", "- a\nb: 1", "? [1]: 2\n: {}", "a: *b"],
)
def test_what_is_no_yaml_is_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError, match="invalid YAML"):
        read_yaml(text, "a.yaml")


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(SpecError, match="invalid YAML"):
        read_yaml("[" * 1100, "a.yaml")


@given(values)
def test_what_yaml_writes_comes_back(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value), "a") == value


@given(st.text(alphabet="{}[]:,-?&*!|>'\"%@` \n\tab1~", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        read_yaml(text, "a")


keys = st.sampled_from("abc")
trees = st.recursive(
    st.integers() | st.none(), lambda inner: st.dictionaries(keys, inner), max_leaves=8
)
paths = st.lists(keys, min_size=1, max_size=4).map(tuple)


def test_values_are_yaml() -> None:
    texts = ["a.b=3", "c=[1, x]", "d=", "e=null", "f=a=b", "g='3'", " h.i = {j: true}"]
    assert read_overrides(texts) == [
        (("a", "b"), 3),
        (("c",), [1, "x"]),
        (("d",), None),
        (("e",), None),
        (("f",), "a=b"),
        (("g",), "3"),
        (("h", "i"), {"j": True}),
    ]


def test_every_unreadable_text_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        read_overrides(["novalue", "=3", "a..b=1", "ok=1", "x=[1"])
    assert [fault.path for fault in caught.value.faults] == [
        "--set novalue",
        "--set =3",
        "--set a..b=1",
        "--set x=[1",
    ]


def test_lists_are_entered_by_number() -> None:
    assert lay_over({"a": [1, {"b": 2}]}, ("a", "1", "b"), 3) == {"a": [1, {"b": 3}]}


def test_a_preset_by_name_becomes_a_mapping_with_it() -> None:
    settings = lay_over({"space": "demo"}, ("space", "batch_size"), [4])
    assert settings == {"space": {"preset": "demo", "batch_size": [4]}}


def _at(tree: object, path: tuple[str, ...]) -> object:
    for key in path:
        assert isinstance(tree, dict)
        tree = tree[key]
    return tree


@given(trees, paths, st.integers())
def test_the_place_holds_the_value_and_nothing_given_changes(
    tree: object, path: tuple[str, ...], value: int
) -> None:
    before = copy.deepcopy(tree)
    after = lay_over(tree, path, value)
    assert tree == before
    assert _at(after, path) == value
    assert lay_over(after, path, value) == after


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


URI = "postgresql://me:${DB_PASSWORD}@db/mlflow"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    forget_secrets()
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    yield "hunter22"
    forget_secrets()


def test_secrets_are_put_in_where_they_are_used_and_nowhere_else(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = settle_spec(parse_spec({"tracking": {"uri": URI}}))
    assert spec.tracking_uri == f"postgresql://me:{password}@db/mlflow"
    assert password not in dump_spec(spec)
    assert URI in dump_spec(spec)
    monkeypatch.delenv("DB_PASSWORD")
    with pytest.raises(SecretError, match="DB_PASSWORD"):
        _ = spec.tracking_uri


def test_other_settings_may_not_name_variables() -> None:
    with pytest.raises(SpecError) as error:
        parse_spec({"data": {"root": "${HOME}/x"}, "name": "${USER}", "tracking": {"uri": URI}})
    assert {fault.path for fault in error.value.faults} >= {"data.root", "name"}
    assert "tracking.uri:" not in str(error.value)


def test_the_ledger_holds_no_secret(tmp_path: Path, password: str) -> None:
    _ = parse_spec({"tracking": {"uri": URI}}).tracking_uri
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.append(TrialAsked(trial_id="t", number=0, config={}))
        reason = f"cannot reach me:{password}@db"
        ledger.append(TrialEnded(trial_id="t", state="failed", reason=reason))
        ledger.set_fact("seen", {"at": password})
        assert list(ledger.events())[-1][1] == TrialEnded(
            trial_id="t", state="failed", reason="cannot reach me:${DB_PASSWORD}@db"
        )
        assert ledger.fact("seen") == {"at": "${DB_PASSWORD}"}
    for path in tmp_path.iterdir():
        assert password.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tracking.uri", "postgresql://me:geheim@db/mlflow"),
        ("tracking.uri", "postgresql+psycopg://me:ge/heim@db/mlflow"),
        ("tracking.uri", "postgresql://db/mlflow?user=me&password=geheim"),
        ("tracking.uri", "https://me:geheim@mlflow.example"),
        ("resources.address", "ray://me:geheim@head:10001"),
        ("resources.address", "http://head:8265?token=geheim"),
        ("target.command", "upload http://me:geheim@phone/{artifact}"),
        ("data.root", "https://me:geheim@images.example/camvid"),
    ],
)
def test_a_plain_password_is_refused_and_not_repeated(path: str, value: str) -> None:
    section, key = path.split(".")
    with pytest.raises(SpecError) as error:
        parse_spec({section: {key: value}})
    assert path in {fault.path for fault in error.value.faults}
    assert "${DB_PASSWORD}" in str(error.value)
    assert not {"geheim", "heim"} & set(re.split(r"\W+", str(error.value)))


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        "sqlite:////data/a:b@c/mlflow.db",
        "https://mlflow.example:5000/a:b@c",
        "postgresql://me@db/mlflow",
        "http://127.0.0.1:5000",
        "postgresql://db/mlflow?user=me&password=${DB_PASSWORD}",
    ],
)
def test_addresses_without_a_plain_password_pass(uri: str) -> None:
    assert parse_spec({"tracking": {"uri": uri}}).tracking.uri == uri
