"""The verb ``submit``: run a sweep on a Ray cluster."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.options import (
    AsJson,
    MirrorAddress,
    Overrides,
    PresetName,
    SpecFile,
    examples,
)
from orchestrator.cli.shared.output import (
    bytes_text,
    print_err,
    print_json,
    print_out,
    print_pairs,
    print_warning,
)
from orchestrator.cli.shared.remote import Address, connect, follow, print_next_steps

if TYPE_CHECKING:
    from orchestrator.cli.shared.submit_plan import Plan
    from orchestrator.driver.submission import Submission
    from orchestrator.spec.sweep_spec import SweepSpec

EPILOG = examples(
    "segsweep submit camvid.yaml --address http://head:8265 --storage /shared/sweeps",
    "segsweep submit camvid.yaml --storage /shared/sweeps --dry-run",
    "segsweep submit --resume camvid-20260131-120000 --address http://head:8265",
)

Storage: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="FOLDER",
        help="Folder that every node of the cluster mounts; required if the spec names none.",
    ),
]
Resume: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--resume", metavar="SWEEP", help="Resume a submitted sweep, by its id; no SPEC is given."
    ),
]
Installed: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--installed/--locked",
        help="Use the Python packages of the nodes, or the locked ones, which uv installs once on "
        "each node. The default is locked for a new sweep and unchanged for a resumed one.",
    ),
]
Image: TypeAlias = Annotated[
    str | None,
    typer.Option("--image", metavar="IMAGE", help="Container image of the sweep's processes."),
]
Variables: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="Environment variable of the sweep's processes, such as MLFLOW_TRACKING_TOKEN; "
        "without VALUE it is copied from this shell. Repeatable.",
    ),
]
Name: TypeAlias = Annotated[str | None, typer.Option("--name", help="Name of the sweep.")]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Print the request and send nothing.")
]
Detach: TypeAlias = Annotated[
    bool, typer.Option("--detach", help="Return after the submission instead of following the log.")
]


def submit(  # noqa: PLR0917 - the options of a command line
    spec: SpecFile = None,
    preset: PresetName = None,
    overrides: Overrides = None,
    name: Name = None,
    address: Address = None,
    storage: Storage = None,
    resume: Resume = None,
    mirror: MirrorAddress = None,
    installed: Installed = None,
    image: Image = None,
    variables: Variables = None,
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Run a sweep as a job on a Ray cluster; this machine may disconnect.

    Prints the request, sends this installation's code with the spec and the locked packages, and
    follows the log. Ctrl-C stops following, not the sweep.
    """
    from orchestrator.cli.shared.submit_plan import (
        new_submission,
        read_variables,
        resume_submission,
    )
    from orchestrator.driver.submission import JobSettings, python_text
    from orchestrator.ledger.identity import git_commit

    settings = JobSettings(
        environment="installed" if installed else "locked",
        image=image,
        variables=read_variables(variables),
        commit=git_commit(),
    )
    with tempfile.TemporaryDirectory(prefix="segsweep-submit-") as folder:
        if resume is None and mirror is not None:
            raise CliError("--from downloads a sweep to resume; give --resume SWEEP too")
        if resume is None:
            from orchestrator.spec.parse import load_spec

            read = load_spec(spec, preset=preset, overrides=overrides or ())
            read = read if name is None else replace(read, name=name)
            wanted, code, plan = new_submission(read, storage, Path(folder), settings)
            _check_data(read)
        elif spec is not None or overrides or preset or name:
            raise CliError(
                "--resume uses the spec of its sweep; remove SPEC, --set, --preset, --name"
            )
        else:
            wanted, code, plan = resume_submission(
                *(resume, address, storage, Path(folder), settings),
                mirror=mirror,
                inherit=installed is None and image is None,
            )
        plan += [
            ("cluster", address or "none given"),
            ("code", f"{code.files} files, {bytes_text(code.size)}, {code.digest}"),
            ("environment", wanted.request.image or python_text(wanted.request.command)),
            ("command", wanted.request.command),
            ("variables", ", ".join(sorted(wanted.request.environment))),
        ]
        _send(wanted, plan, address, dry_run=dry_run, detach=detach, as_json=as_json)


def _check_data(spec: SweepSpec) -> None:
    """Check the data set if this machine has it; the job checks it in any case.

    Raises:
        DataError: the data set cannot be used; it lists every fault.
    """
    root = spec.data.root
    if spec.data.format == "synthetic":
        return
    if root is None or not Path(root).is_dir():
        print_err(f"{root} is not a folder of this machine; the job checks the data at its start")
        return
    from orchestrator.driver.preparation import check_dataset

    print_err("checking the data")
    check_dataset(spec, print_warning)


def _send(
    wanted: Submission,
    plan: Plan,
    address: str | None,
    *,
    dry_run: bool,
    detach: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {"submitted": not dry_run, "plan": dict(plan), "request": wanted.request.shown()}
        )
    else:
        print_pairs(plan)
    if dry_run:
        print_err("nothing was sent (--dry-run)")
        return
    server = connect(address)
    server.submit(wanted.request)
    print_next_steps(server.address, wanted.sweep_id)
    if not detach and not as_json:
        print_out()
        follow(server, server.job(wanted.request.job_id), wanted.sweep_id)
