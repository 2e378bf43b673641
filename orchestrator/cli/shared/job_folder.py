"""The folder that a driver works in where it is a Ray job."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""What Ray gives every process of a job."""
_KEPT = "SEGSWEEP_JOB_FOLDER"
_MAIN = os.path.join("orchestrator", "cli", "main.py")  # noqa: PTH118 - pathlib is not loaded for --help


def keep_job_folder() -> None:
    """Begin anew in a copy of the code that was sent, where this is a job and has not done so.

    Ray may clean a job's own folder away while the job runs. A folder without our code in it, as of
    a job that runs what its image has, is left alone.
    """
    if JOB_VARIABLE not in os.environ:
        return
    kept = os.environ.get(_KEPT)
    if kept is not None:
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        return
    if not os.path.isfile(_MAIN):  # noqa: PTH113 - as above
        return
    kept = tempfile.mkdtemp(prefix="segsweep-job-")
    shutil.copytree(".", kept, dirs_exist_ok=True)
    os.environ[_KEPT] = kept
    os.chdir(kept)
    command = [sys.executable, "-m", "orchestrator.cli.main", *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - this program with its own arguments


def leave_job_folder(root: str) -> None:
    """Work in the storage root where this is a job.

    Under ``uv run`` Ray takes the working folder for the code of the workers; it is kept there.
    """
    if JOB_VARIABLE not in os.environ or "UV" in os.environ:
        return
    os.makedirs(root, exist_ok=True)  # noqa: PTH103 - as above
    os.chdir(root)
