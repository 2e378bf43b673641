from __future__ import annotations

from dataclasses import replace

from cluster.jobs.request import Job
from orchestrator.driver.submission.environment import (
    INSTALLED,
    LOCKED,
    JobEnvironment,
    as_submitted,
    environment_of,
    environments_for_probe,
)
from orchestrator.driver.submission.request import SWEEP, JobSettings

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
