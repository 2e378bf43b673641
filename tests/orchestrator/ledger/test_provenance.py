from __future__ import annotations

import platform
import subprocess
from typing import TYPE_CHECKING

from orchestrator.ledger.provenance import COMMIT_VARIABLE, git_commit, versions

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_changed_checkout_is_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_commit(tmp_path) is None
    git("init", "-q")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "-qm", "Add")
    commit = git("rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    (tmp_path / "file").write_text("b")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_submitted_code_reads_its_commit_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(COMMIT_VARIABLE, "abc")
    assert git_commit() == "abc"


def test_versions_include_python_and_the_main_packages() -> None:
    numbers = versions()
    assert numbers["python"] == platform.python_version()
    assert {"torch", "ray", "mlflow"} <= set(numbers)
