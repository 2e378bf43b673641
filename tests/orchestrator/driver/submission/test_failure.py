from __future__ import annotations

from typing import Any

from cluster.jobs.request import Job
from orchestrator.driver.submission.failure import failure, failure_with_log, last_line
from orchestrator.ledger.identity import COMMIT_VARIABLE

WORD = "hush-hush/äöü"


def failed(**settings: Any) -> Job:
    return Job(
        **{
            "job_id": "night",
            "state": "failed",
            "message": "",
            "labels": {},
            "started": None,
            "ended": None,
            "command": "uv run python -m orchestrator.cli.main run spec.yaml",
            "node": "10.0.0.7",
            **settings,
        }
    )


def test_a_node_without_uv_is_named_with_what_to_do() -> None:
    said = failure(failed(), "Running entrypoint for job night: uv run\n/bin/sh: 1: uv: not found")
    assert said.startswith("node 10.0.0.7 has no program 'uv' on its PATH; install uv there")
    assert "--installed" in said
    message = (
        "Job entrypoint command failed with exit code 127, last available logs:\nuv: not found"
    )
    assert failure(failed(message=message)) == said
    unknown = failure(failed(node=None, command="python -m x"), "sh: 1: python: not found")
    assert unknown.startswith("the node that runs the job has no program 'python'")
    assert "--locked" in unknown


def test_the_error_ends_with_the_end_of_the_log() -> None:
    job = failed(message="runtime_env setup failed: x", error_type="RUNTIME_ENV_SETUP_FAILURE")
    log = "\n".join(f"line {number}" for number in range(100))
    lines = failure_with_log(job, log).splitlines()
    assert lines[0] == "job night failed (RUNTIME_ENV_SETUP_FAILURE): runtime_env setup failed: x"
    assert lines[-1] == "  line 99"
    assert "line 1" not in lines
    assert failure_with_log(failed(), "") == "job night failed: Ray reports no reason"
    assert last_line(job, log) == "line 99"
    assert last_line(job, "\n") == "nothing written yet"


def test_secrets_of_the_job_are_in_no_message() -> None:
    job = failed(
        environment={"TOKEN": WORD, COMMIT_VARIABLE: "abcdef0"},
        message=f"runtime_env setup failed:\n{{'TOKEN': '{WORD}'}} at abcdef0",
    )
    log = f"{'x' * 900}{WORD}{'y' * (400 - 5)}\nhttps://user:pass-word@host/simple {WORD}"
    said = failure_with_log(job, log) + last_line(job, log)
    assert "'TOKEN': '${TOKEN}'} at abcdef0" in said
    assert WORD[-5:] not in said  # cut in the middle, half of it would be left
    assert "pass-word" not in said
    assert "hush" not in said
