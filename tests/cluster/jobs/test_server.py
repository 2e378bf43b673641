from __future__ import annotations

import pytest

from cluster.jobs.request import Job

pytestmark = pytest.mark.slow  # imports Ray


def test_a_job_has_all_that_explains_its_failure() -> None:
    from ray.dashboard.modules.job.common import JobErrorType, JobStatus
    from ray.dashboard.modules.job.pydantic_models import JobDetails, JobType

    from cluster.jobs.server import _job

    details = JobDetails(
        type=JobType.SUBMISSION,
        submission_id="night",
        status=JobStatus.FAILED,
        entrypoint="uv run python -m x",
        message="failed with exit code 127, last available logs:\nuv: not found\n",
        error_type=JobErrorType.JOB_ENTRYPOINT_COMMAND_ERROR.value,
        start_time=1_500,
        metadata={"a": "b"},
        runtime_env={"env_vars": {"TOKEN": "hush"}, "image_uri": "registry/x:1"},
        driver_agent_http_address="http://10.0.0.7:52365",
    )
    assert _job(details) == Job(
        job_id="night",
        state="failed",
        message="failed with exit code 127, last available logs:\nuv: not found",
        labels={"a": "b"},
        started=1.5,
        ended=None,
        command="uv run python -m x",
        error_type="JOB_ENTRYPOINT_COMMAND_ERROR",
        node="10.0.0.7",
        image="registry/x:1",
        environment={"TOKEN": "hush"},
    )
    bare = _job(JobDetails(type=JobType.DRIVER, status=JobStatus.PENDING, entrypoint=""))
    assert (bare.node, bare.image, bare.error_type, bare.message) == (None, None, None, "")
    assert bare.environment == {}
