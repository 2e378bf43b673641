"""Jobs of sweeps on a cluster."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from cluster.jobs.request import Job, JobState
from orchestrator.driver.submission import SWEEP, JobSettings
from orchestrator.driver.sweep_jobs import (
    INSTALLED,
    LOCKED,
    JobEnvironment,
    UnknownSubmissionError,
    as_submitted,
    environment_of,
    environments_for_probe,
    failure,
    failure_with_log,
    find_job,
    last_line,
    next_again,
    sweep_jobs,
)
from orchestrator.ledger.identity import COMMIT_VARIABLE


def job(job_id: str, sweep: str | None, started: float, state: JobState = "succeeded") -> Job:
    return Job(
        job_id=job_id,
        state=state,
        message="",
        labels={} if sweep is None else {SWEEP: sweep},
        started=started,
        ended=None,
    )


JOBS = [
    job("night", "night", 1.0, "stopped"),
    job("night-again1", "night", 3.0),
    job("day-2", "day-2", 2.0, "running"),
    job("other", None, 9.0),
]


def test_the_jobs_of_sweeps_come_the_latest_first() -> None:
    assert [each.job_id for each in sweep_jobs(JOBS)] == ["night-again1", "day-2", "night"]


@pytest.mark.parametrize(
    ("name", "job_id"),
    [
        (None, "night-again1"),
        ("night", "night-again1"),
        ("night-again1", "night-again1"),
        ("nig", "night-again1"),
        ("da", "day-2"),
    ],
)
def test_a_name_means_the_last_job_of_its_sweep(name: str | None, job_id: str) -> None:
    assert find_job(JOBS, name).job_id == job_id


@pytest.mark.parametrize(
    ("jobs", "name", "words"),
    [
        (JOBS, "", "several sweeps begin with"),
        (JOBS, "moon", "there is no sweep 'moon' on this cluster; there are night, day-2"),
        (JOBS[3:], "night", "no sweep was submitted"),
    ],
)
def test_a_missing_one_is_reported_with_the_existing_ones(
    jobs: list[Job], name: str, words: str
) -> None:
    with pytest.raises(UnknownSubmissionError, match=words) as caught:
        find_job(jobs, name)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_a_further_submission_takes_a_name_that_is_free() -> None:
    assert next_again(JOBS, "night") == 2
    assert next_again(JOBS, "elsewhere") == 1


def test_a_sweep_that_runs_is_not_submitted_again() -> None:
    with pytest.raises(
        UnknownSubmissionError, match=r"day-2 is running as job day-2.*segsweep stop"
    ):
        next_again(JOBS, "day-2")


JOB = Job(
    job_id="night",
    state="succeeded",
    message="",
    labels={SWEEP: "night"},
    started=1.0,
    ended=None,
    command="python -m orchestrator.cli.main run spec.yaml --id night",
)
UV = replace(JOB, job_id="day", started=2.0, command=JOB.command.replace("python", LOCKED.python))
IMAGE = replace(JOB, job_id="box", started=3.0, image="registry/segsweep:1")
RUNNING = replace(JOB, job_id="now", started=0.5, state="running", environment={"UV_INDEX": "i"})


def test_the_environment_is_read_from_the_jobs_command() -> None:
    assert environment_of(JOB) == INSTALLED
    assert environment_of(UV) == LOCKED
    assert environment_of(IMAGE) == JobEnvironment(python="python", image="registry/segsweep:1")
    assert environment_of(replace(JOB, command="")) is None
    assert environment_of(replace(JOB, command="python train.py")) is None


def test_a_running_sweeps_environment_comes_before_the_last_sweeps() -> None:
    running = JobEnvironment(python="python", variables={"UV_INDEX": "i"})
    assert environments_for_probe([JOB, UV, RUNNING, IMAGE]) == [running, LOCKED]
    assert environments_for_probe([JOB, UV]) == [LOCKED, INSTALLED]
    assert environments_for_probe([JOB]) == [INSTALLED, LOCKED]
    (first, *others) = environments_for_probe([JOB, UV, IMAGE])
    assert first.image == "registry/segsweep:1"
    assert others == [INSTALLED, LOCKED]


def test_a_failed_sweeps_environment_comes_after_one_that_worked() -> None:
    failed = replace(UV, state="failed", started=9.0)
    assert environments_for_probe([failed, JOB]) == [INSTALLED, LOCKED]
    assert environments_for_probe([failed]) == [LOCKED, INSTALLED]


def test_without_a_sweep_the_nodes_own_python_is_taken() -> None:
    other = replace(UV, labels={})
    assert environments_for_probe([]) == [INSTALLED, LOCKED]
    assert environments_for_probe([other]) == [INSTALLED, LOCKED]


def test_a_resumed_sweep_keeps_its_python_and_image() -> None:
    settings = JobSettings(variables={"A": "b"}, commit="abc")
    assert as_submitted(settings, UV) == settings
    assert as_submitted(settings, JOB) == replace(settings, environment="installed")
    assert as_submitted(settings, IMAGE).image == "registry/segsweep:1"
    assert as_submitted(settings, replace(JOB, command="make")) == settings


def test_the_values_of_variables_are_in_no_representation() -> None:
    assert "UV_INDEX" not in repr(RUNNING)
    assert "UV_INDEX" not in repr(environment_of(RUNNING))


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
