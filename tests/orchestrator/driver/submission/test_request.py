from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.driver.submission import (
    LOCK,
    PACKAGES,
    STORAGE,
    SWEEP,
    JobSettings,
    for_cluster,
    locked_environment,
    make_submission,
    pack_code,
)
from orchestrator.spec.parse import load_spec, parse_spec
from orchestrator.spec.text import SpecError, read_yaml


def test_a_first_submission_is_a_command_that_may_be_run_again() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    sent = make_submission("night", "/shared", Path("/code"), JobSettings()).request
    assert sent.job_id == "night"
    assert sent.command == (
        f"uv run --no-project --python {here} --with-requirements requirements.lock python "
        "-m orchestrator.cli.main run spec.yaml --id night"
    )
    assert sent.labels == {SWEEP: "night", STORAGE: "/shared"}
    assert sent.runtime_env()["working_dir"] == "/code"


def test_a_further_one_resumes_by_the_id_alone() -> None:
    settings = JobSettings(image="registry/segsweep:1", environment="locked")
    sent = make_submission("night", "/my shared", Path("/code"), settings, again=2).request
    assert sent.job_id == "night-again2"
    assert sent.command == ("python -m orchestrator.cli.main resume night --storage '/my shared'")
    assert sent.runtime_env()["image_uri"] == "registry/segsweep:1"
    moved = make_submission("night", "/s", Path("/c"), settings, again=1, mirror="s3://b/a").request
    assert moved.command.endswith("resume night --storage /s --from s3://b/a")


def test_what_is_shown_holds_no_value_of_a_variable() -> None:
    settings = JobSettings(variables={"OUR_WORD": "hush-hush"}, commit="abc")
    sent = make_submission("night", "/shared", Path("/code"), settings).request
    assert "hush-hush" not in str(sent.shown())
    assert "OUR_WORD" in str(sent.shown())
    found = sent.runtime_env()["env_vars"]
    assert isinstance(found, dict)
    assert found["OUR_WORD"] == "hush-hush"
    assert found["SEGSWEEP_COMMIT"] == "abc"


def test_a_stopped_job_gets_the_time_to_end_its_epochs() -> None:
    found = make_submission("night", "/s", Path("/c"), JobSettings()).request.runtime_env()
    assert isinstance(found["env_vars"], dict)
    assert int(found["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 60


def test_a_spec_for_a_cluster_runs_on_its_ray_with_files_that_all_nodes_see() -> None:
    spec = for_cluster(load_spec(), "/shared/sweeps")
    assert spec.resources.address == "auto"
    assert spec.storage.root == "/shared/sweeps"
    assert spec.tracking_uri == "sqlite:////shared/sweeps/mlflow.db"
    kept = for_cluster(load_spec(overrides=["storage.root=/mine"]), None)
    assert kept.storage.root == "/mine"


@pytest.mark.parametrize(
    ("overrides", "storage", "words"),
    [
        ([], None, "give --storage FOLDER"),
        ([], "here", "must be an absolute path, got 'here'"),
        (["tracking.uri=http://localhost:5000"], "/s", "tracking.uri: must be an address that"),
        (["tracking.uri=http://127.0.0.1:5000"], "/s", "tracking.uri: must be an address that"),
    ],
)
def test_places_that_mean_another_one_on_the_cluster_are_refused(
    overrides: list[str], storage: str | None, words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        for_cluster(load_spec(overrides=overrides), storage)


def test_the_code_is_packed_with_its_lock_and_a_spec_that_reads_back(tmp_path: Path) -> None:
    from orchestrator.spec.parse import dump_spec

    spec = for_cluster(load_spec(), "/shared")
    code = pack_code(tmp_path / "a", dump_spec(spec))
    assert all((code.folder / name / "__init__.py").is_file() for name in PACKAGES)
    assert not list(code.folder.rglob("__pycache__"))
    text = (code.folder / "spec.yaml").read_text()
    assert parse_spec(read_yaml(text, "packed"), "packed") == spec
    assert "torch==" in (code.folder / LOCK).read_text()
    again = pack_code(tmp_path / "b", dump_spec(spec))
    assert (again.digest, again.files) == (code.digest, code.files)
    without = pack_code(tmp_path / "c", None)
    assert without.files == code.files - 1
    assert without.digest != code.digest


def test_without_a_lock_file_the_installed_versions_are_the_environment(tmp_path: Path) -> None:
    lines = locked_environment(tmp_path).splitlines()
    assert any(line.lower().startswith("ray==") for line in lines)
    assert lines == sorted(lines, key=str.lower)
