"""The working folder of a driver that runs as a Ray job."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray in every process of a job."""
_KEPT = "SEGSWEEP_JOB_FOLDER"
_MAIN = os.path.join("orchestrator", "cli", "main.py")  # noqa: PTH118 - pathlib is not loaded for --help


def keep_job_folder() -> None:
    """Restart this process in a copy of the job's working folder, once.

    Ray may delete the working folder while the job runs. A folder without our code is not copied:
    the job then runs the code of its image.
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
    """Change to the storage root if this process is a Ray job.

    Under ``uv run`` Ray ships the working folder to the workers as their code, so it stays.
    """
    if JOB_VARIABLE not in os.environ or "UV" in os.environ:
        return
    os.makedirs(root, exist_ok=True)  # noqa: PTH103 - as above
    os.chdir(root)
