from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.dump import dump_spec, settle_spec
from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import parse_spec
from trainables.io.redaction import SecretError, forget_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
