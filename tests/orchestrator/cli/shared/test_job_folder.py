from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from orchestrator.cli.shared.job_folder import JOB_VARIABLE, keep_job_folder

MAIN = """
import json, os, sys
print(json.dumps([os.getcwd(), sys.argv[1:], os.path.exists("spec.yaml")]))
"""
BEGIN = (
    "from orchestrator.cli.shared.job_folder import keep_job_folder\n"
    "keep_job_folder()\nprint('stayed')"
)


def begin(folder: Path, *arguments: str, **variables: str) -> str:
    """Begin as a command does, with the installed code, and return what is printed."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", BEGIN, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_job_restarts_in_a_copy_of_its_code(tmp_path: Path) -> None:
    code = tmp_path / "orchestrator" / "cli"
    code.mkdir(parents=True)
    (code / "main.py").write_text(MAIN)
    for each in (code, code.parent):
        (each / "__init__.py").write_text("")  # else the installed package is taken
    (tmp_path / "spec.yaml").write_text("")
    place, arguments, spec = json.loads(begin(tmp_path, "run", "spec.yaml", **{JOB_VARIABLE: "{}"}))
    shutil.rmtree(place)
    assert Path(place) != tmp_path
    assert Path(place).name.startswith("segsweep-job-")
    assert arguments == ["run", "spec.yaml"]
    assert spec


def test_the_copy_goes_with_its_process(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    assert begin(tmp_path, **{JOB_VARIABLE: "{}", "SEGSWEEP_JOB_FOLDER": str(copy)}) == "stayed"
    assert not copy.exists()


def test_other_processes_keep_their_folder(tmp_path: Path) -> None:
    assert begin(tmp_path, **{JOB_VARIABLE: "{}"}) == "stayed"  # no code of ours was sent
    keep_job_folder()  # this process is no job
