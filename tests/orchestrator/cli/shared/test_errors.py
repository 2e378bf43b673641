from __future__ import annotations

import ast
import errno
import os
import pickle
import tempfile
from pathlib import Path

import pytest

from orchestrator.cli.shared.errors import USER_ERRORS, CliError, user_message, write_error_log

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", sorted(USER_ERRORS))
def test_every_user_error_exists(name: str) -> None:
    module, _, kind = name.rpartition(".")
    source = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    classes = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    assert kind in classes  # read, not imported: some stand beside Ray


def test_only_what_a_user_can_mend_has_a_message() -> None:
    assert user_message(CliError("do this")) == "do this"
    assert user_message(ValueError("ours")) is None
    assert user_message(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None


def test_a_full_disk_is_named_with_its_place() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/a.bin")
    assert user_message(error) == "No space left on device: /cache/a.bin"


def test_an_error_from_a_users_error_is_the_users() -> None:
    wrapped = RuntimeError("a worker died")
    wrapped.__cause__ = CliError("the mask is broken")
    assert user_message(wrapped) == "the mask is broken"


def test_it_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(CliError("do this")))  # noqa: S301
    assert (type(again), str(again)) == (CliError, "do this")


def test_a_log_that_cannot_be_written_there_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    log = write_error_log(ValueError("x"), tmp_path / "file")
    assert log.parent == tmp_path / "temporary"
    assert "ValueError: x" in log.read_text(encoding="utf-8")
