"""The cluster files against the schema or the parser of the tool that reads them."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import typer
import yaml

ROOT = Path(__file__).parents[2]
FILES = ROOT / "cluster" / "files"
SCHEMA = yaml.safe_load(Path(__file__).with_name("kuberay_schema.yaml").read_text())
INSTRUCTIONS = {"FROM", "RUN", "ENV", "COPY", "USER", "WORKDIR", "CMD"}
SBATCH = {
    *("--job-name", "--partition", "--nodes", "--ntasks-per-node", "--cpus-per-task", "--mem"),
    *("--gpus-per-node", "--time", "--requeue", "--open-mode", "--signal"),
}
"""Source: Slurm's manual of sbatch, 24.05."""


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


def against(part: str, value: object) -> None:
    schema = {**SCHEMA["definitions"][part], "definitions": SCHEMA["definitions"]}
    jsonschema.validate(value, schema)


def segsweep(command: str) -> dict[str, Any]:
    """Return the options of a segsweep command line as the command itself reads them."""
    from orchestrator.cli.main import app

    words = shlex.split(command)
    assert words[0] == "segsweep"
    group: Any = typer.main.get_command(app)
    context = group.make_context("segsweep", words[1:])
    name, verb, rest = group.resolve_command(context, words[1:])
    parameters: dict[str, Any] = verb.make_context(name, rest, parent=context).params
    return parameters


@pytest.mark.slow  # the autoscaler's imports
@pytest.mark.parametrize("name", ["aws.yaml", "onprem.yaml"])
def test_ray_up_takes_the_file(name: str) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(read(name))
    validate_config(prepared)
    assert prepared["cluster_name"] == "segsweep"
    starts = [*prepared["head_start_ray_commands"], *prepared["worker_start_ray_commands"]]
    assert any("--dashboard-host=127.0.0.1" in start for start in starts)


@pytest.mark.slow
def test_a_misspelt_key_is_found_by_the_same_parser() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises((jsonschema.ValidationError, ValueError)):
        validate_config(prepare_config({**read("aws.yaml"), "max_wrokers": 3}))


def test_kuberays_schema_takes_the_cluster() -> None:
    cluster = read("raycluster.yaml")
    jsonschema.validate(cluster, SCHEMA["resource"])
    assert cluster["kind"] == "RayCluster"
    against("cluster", cluster["spec"])
    assert cluster["spec"]["gcsFaultToleranceOptions"]["redisAddress"]


def test_kuberays_schema_accepts_a_job_with_retries() -> None:
    job = read("rayjob.yaml")
    jsonschema.validate(job, SCHEMA["resource"])
    assert job["kind"] == "RayJob"
    against("job", job["spec"])
    assert job["spec"]["backoffLimit"] >= 1
    assert set(yaml.safe_load(job["spec"]["runtimeEnvYAML"])) == {"env_vars"}
    options = segsweep(job["spec"]["entrypoint"])
    assert options["sweep_id"] == job["metadata"]["name"]
    assert "resources.address=auto" in options["overrides"]
    assert str(options["spec"]).startswith("/shared/")


@pytest.mark.parametrize(
    ("place", "value"), [("headGroupSpec", None), ("workerGroupSpec", []), ("rayVersion", 2.6)]
)
def test_the_schema_finds_faults(place: str, value: object) -> None:
    spec = {**read("raycluster.yaml")["spec"], place: value}
    with pytest.raises(jsonschema.ValidationError):
        against("cluster", spec)


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_every_pod_with_a_gpu_tolerates_its_node_and_sees_the_shared_folder(name: str) -> None:
    spec = read(name)["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    assert cluster["rayVersion"] == version("ray")
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted["shared"] == "/shared"
        assert set(mounted) == {volume["name"] for volume in pod["volumes"]}
        if "nvidia.com/gpu" in container["resources"]["limits"]:
            assert any(each["key"] == "nvidia.com/gpu" for each in pod["tolerations"])
        assert container["resources"]["limits"] == container["resources"]["requests"]


def test_bash_takes_the_slurm_script_and_sbatch_its_options() -> None:
    path = FILES / "slurm.sh"
    subprocess.run(["bash", "-n", str(path)], check=True)
    text = path.read_text()
    directives = re.findall(r"^#SBATCH (--[a-z-]+)(?:=(\S+))?$", text, flags=re.MULTILINE)
    assert len(directives) == text.count("#SBATCH ")
    assert {name for name, _ in directives} <= SBATCH
    assert dict(directives)["--ntasks-per-node"] == "1"
    assert text.index("#SBATCH") < text.index("set -euo pipefail")
    assert "echo" not in text, "nothing may print the token"


def test_the_slurm_script_gives_the_requeued_job_the_same_sweep() -> None:
    text = (FILES / "slurm.sh").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^segsweep run .*(?= &$)", text, flags=re.MULTILINE)
    options = segsweep(line.replace('"$@"', ""))
    assert options["sweep_id"] == "slurm-$SLURM_JOB_ID"
    assert any(each.startswith("resources.address=") for each in options["overrides"])


def test_the_container_is_built_from_existing_files() -> None:
    text = (FILES / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    steps = [line.split(maxsplit=1) for line in whole]
    assert {name for name, _ in steps} <= INSTRUCTIONS
    assert steps[0] == ["FROM", "python:3.11-slim-bookworm"]
    copied = [words.split()[:-1] for name, words in steps if name == "COPY"]
    sources = {source for each in copied for source in each}
    assert all((ROOT / source).exists() for source in sources)
    packages = re.search(
        r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert packages is not None
    assert set(re.findall(r'"(\w+)"', packages[1])) <= sources
    names = [name for name, _ in steps]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    for name, words in steps:
        if name == "RUN":
            subprocess.run(["bash", "-n", "-c", words], check=True)
