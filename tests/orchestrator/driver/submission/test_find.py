from __future__ import annotations

import pickle

import pytest

from cluster.jobs.request import Job, JobState
from orchestrator.driver.submission.find import (
    UnknownSubmissionError,
    find_job,
    next_again,
    sweep_jobs,
)
from orchestrator.driver.submission.request import SWEEP


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
