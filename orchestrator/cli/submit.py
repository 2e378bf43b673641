"""The verb ``submit``: a sweep that a cluster drives."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

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
from orchestrator.cli.shared.output import bytes_text, say, say_json, say_pairs, tell, warning
from orchestrator.cli.shared.remote import Address, connect, follow, say_next

if TYPE_CHECKING:
    from orchestrator.cli.submit_plan import Plan
    from orchestrator.driver.submission.request import Submission
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
        show_default=False,
        help="Folder that every node of the cluster sees; needed where the spec names none.",
    ),
]
Resume: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="SWEEP",
        show_default=False,
        help="Go on with a sweep that was submitted before, by its id; no SPEC is given.",
    ),
]
Installed: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--installed/--locked",
        show_default=False,
        help="Take the Python packages that the nodes have, or the locked ones, which uv installs "
        "on each node once. Without either a sweep begins with the locked ones and resumes with "
        "those it had.",
    ),
]
Image: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="IMAGE",
        show_default=False,
        help="Container image that the sweep's processes run in.",
    ),
]
Variables: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        show_default=False,
        help="Variable of the sweep's processes, such as MLFLOW_TRACKING_TOKEN; without a value "
        "that of this shell; may be repeated.",
    ),
]
Name: TypeAlias = Annotated[
    str | None, typer.Option("--name", show_default=False, help="Name of the sweep.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be sent and send nothing.")
]
Detach: TypeAlias = Annotated[
    bool, typer.Option("--detach", help="Return once it is submitted instead of showing its log.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("submit", epilog=EPILOG)(submit)


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
    dry_run: DryRun = False,  # noqa: FBT002
    detach: Detach = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Run a sweep on a Ray cluster, whose head drives it; this machine may leave.

    The plan is printed first, then the code that runs here is sent with the locked environment and
    the spec, then the log is shown. Ctrl-C leaves the sweep alone and says how to look again.
    """
    from orchestrator.cli.submit_plan import begun, resumed, values_of
    from orchestrator.driver.submission.request import JobSettings, python_text
    from orchestrator.ledger.provenance import git_commit

    settings = JobSettings(
        environment="installed" if installed else "locked",
        image=image,
        variables=values_of(variables),
        commit=git_commit(),
    )
    with tempfile.TemporaryDirectory(prefix="segsweep-submit-") as folder:
        if resume is None and mirror is not None:
            raise CliError("--from fetches a sweep that is gone on with; give --resume SWEEP too")
        if resume is None:
            from orchestrator.spec.parse import load_spec

            read = load_spec(spec, preset=preset, overrides=overrides or ())
            read = read if name is None else replace(read, name=name)
            wanted, code, plan = begun(read, storage, Path(folder), settings)
            _check_data(read)
        elif spec is not None or overrides or preset or name:
            raise CliError("--resume takes the spec of its sweep; give no SPEC, no settings")
        else:
            wanted, code, plan = resumed(
                *(resume, address, storage, Path(folder), settings),
                mirror=mirror,
                inherit=installed is None and image is None,
            )
        plan += [
            ("cluster", address or "none named"),
            ("code", f"{code.files} files, {bytes_text(code.size)}, {code.digest}"),
            ("environment", wanted.request.image or python_text(wanted.request.command)),
            ("command", wanted.request.command),
            ("variables", ", ".join(sorted(wanted.request.environment))),
        ]
        _send(wanted, plan, address, dry_run=dry_run, detach=detach, as_json=as_json)


def _check_data(spec: SweepSpec) -> None:
    """Check the data set where this machine has it; the job does so in any case.

    Raises:
        DataError: the data set cannot be used; every fault is in it.
    """
    root = spec.data.root
    if spec.data.format == "synthetic":
        return
    if root is None or not Path(root).is_dir():
        tell(f"{root} is no folder of this machine; the job checks the data when it begins")
        return
    from orchestrator.driver.preparation import check_dataset

    tell("checking the data")
    check_dataset(spec, warning)


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
        say_json({"submitted": not dry_run, "plan": dict(plan), "request": wanted.request.shown()})
    else:
        say_pairs(plan)
    if dry_run:
        tell("nothing was sent (--dry-run)")
        return
    server = connect(address)
    server.submit(wanted.request)
    say_next(server.address, wanted.sweep_id)
    if not detach and not as_json:
        say()
        follow(server, server.job(wanted.request.job_id), wanted.sweep_id)
