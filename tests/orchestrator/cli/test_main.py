from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from orchestrator.cli.main import explain
from orchestrator.cli.shared.errors import OUR_FAULT
from orchestrator.spec.text import SpecError
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.orchestrator.cli.conftest import Outcome

HEAVY = {"torch", "ray", "mlflow", "optuna", "matplotlib", "plotly", "numpy", "pydantic", "pandas"}


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, orchestrator.cli.main; print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert not HEAVY & set(shown.split())


def test_help_names_every_verb(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("--help")
    assert outcome.code == 0
    for verb in ("run", "report", "ui", "profile", "data", "teacher", "doctor", "list", "presets"):
        assert f"\n  {verb} " in outcome.out


def test_a_wrong_verb_is_the_users_fault(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("profle")
    assert outcome.code == 2
    assert "Did you mean 'profile'" in outcome.err


def test_faults_of_a_spec_are_one_message_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain(SpecError([Fault("a", "wrong [bold]"), Fault("b", "missing")])) == 2
    assert capsys.readouterr().err == (
        "error: 2 faults in the spec:\n  a: wrong [bold]\n  b: missing\n"
    )


def test_what_a_user_wrote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    explain(SpecError([Fault("a\x1b[2J", "wrong\a")]))
    assert capsys.readouterr().err == "error: 1 fault in the spec:\n  a\\x1b[2J: wrong\\x07\n"


def test_an_error_of_ours_is_short_and_has_a_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSWEEP_STORAGE", str(tmp_path))
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        assert explain(error) == OUR_FAULT  # noqa: PT017 - it needs its traceback
    written = capsys.readouterr().err
    assert "unexpected error: ZeroDivisionError: division by zero" in written
    assert "Traceback" not in written
    (log,) = (tmp_path / "logs").iterdir()
    assert str(log) in written
    assert "Traceback" in log.read_text()


def test_a_password_on_the_command_line_is_never_printed(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    for words in (
        ("run", "--storage", str(tmp_path), "--set", "tracking.uri=postgresql://me:geheim@db/x"),
        ("run", "--storage", str(tmp_path), "--set", "resources.address=ray://me:geheim@head:1"),
        ("run", "--storage", str(tmp_path), "--set", "tracking.url=https://me:geheim@db/x"),
        ("run", "--storage", str(tmp_path), "--set", "postgresql://me:geheim@db/x"),
        ("plan", "--set", "data.root=https://me:geheim@db/x"),
        ("report", "https://me:geheim@db/x", "--storage", str(tmp_path)),
        ("list", "https://me:geheim@db/x"),
        ("--address=https://me:geheim@db/x",),
        ("status", "--address", "http://me:geheim@127.0.0.1:1"),
        ("doctor", "--address", "me:geheim@127.0.0.1"),
    ):
        outcome = segsweep(*words)
        assert outcome.code == 2, words
        assert outcome.err
        if "://" in " ".join(words):
            assert "geheim" not in outcome.out + outcome.err
    assert not any(b"geheim" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
