from __future__ import annotations

import pickle
import platform
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.identity import (
    COMMIT_VARIABLE,
    FINISHED,
    SpecChangedError,
    differences,
    git_commit,
    settle_identity,
    unfinished_sweep_of,
    versions,
)
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import dump_spec, parse_spec, settle_spec

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    return settle_spec(parse_spec({"name": "one", "storage": {"root": str(tmp_path)}}))


def test_another_spec_is_refused_with_the_difference_shown(tmp_path: Path, spec: SweepSpec) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        settle_identity(ledger, spec, "abc")
        settle_identity(ledger, spec, "abc")
        other = replace(spec, budget=replace(spec.budget, epochs=3))
        other = replace(other, training=replace(spec.training, seed=4))
        with pytest.raises(SpecChangedError) as error:
            settle_identity(ledger, other, "abd")
    assert "budget.epochs: was 10, is 3" in str(error.value)
    assert "training.seed: was 0, is 4" in str(error.value)
    assert "digest was abc, is abd" in str(error.value)
    again = pickle.loads(pickle.dumps(error.value))  # noqa: S301 - our own bytes
    assert str(again) == str(error.value)


def test_where_a_sweep_runs_may_change(tmp_path: Path, spec: SweepSpec) -> None:
    moved = replace(spec, resources=replace(spec.resources, address="auto", lanes=3))
    with Ledger(tmp_path / "ledger.db") as ledger:
        settle_identity(ledger, spec, None)
        settle_identity(ledger, moved, None)


def begin(spec: SweepSpec, *, finished: bool | None) -> SweepFolder:
    folder = new_sweep(_root(spec), spec.name)
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    if finished is not None:
        with Ledger(folder.ledger) as ledger:
            ledger.set_fact(FINISHED, finished)
    return folder


def _root(spec: SweepSpec) -> Path:
    from pathlib import Path

    return Path(spec.storage.root)


@pytest.mark.parametrize("finished", [None, False])
def test_an_unfinished_sweep_of_the_same_spec_is_found(
    spec: SweepSpec, *, finished: bool | None
) -> None:
    assert unfinished_sweep_of(_root(spec), spec) is None
    begin(spec, finished=True)
    begin(replace(spec, budget=replace(spec.budget, trials=3)), finished=False)
    assert unfinished_sweep_of(_root(spec), spec) is None
    folder = begin(spec, finished=finished)
    assert unfinished_sweep_of(_root(spec), spec) == folder


def test_a_sweep_under_the_former_name_of_a_scheduler_resumes(spec: SweepSpec) -> None:
    folder = begin(spec, finished=False)
    former = dump_spec(spec).replace("scheduler: expected-improvement", "scheduler: prospect")
    assert former != dump_spec(spec)
    folder.spec.write_text(former, encoding="utf-8")
    assert unfinished_sweep_of(_root(spec), spec) == folder
    assert list(differences(former, spec)) == []
    assert list(differences(former + "unknown: 1\n", spec)) == ["unknown: was 1, is None"]


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
