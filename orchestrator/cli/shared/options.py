"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

SpecFile: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="SPEC", help="Spec of the sweep (YAML); the default is the built-in demo."
    ),
]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override one setting, such as budget.trials=12; the value is YAML. Repeatable.",
    ),
]
PresetName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="Use the search space of a preset instead of the spec's; see segsweep presets.",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        help="Sweeps simulated at the same time; the default is the number of CPU cores.",
    ),
]
StorageRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--storage",
        metavar="FOLDER",
        help="Folder of the sweeps; the default is $SEGSWEEP_STORAGE or ./segsweep-runs.",
    ),
]
MirrorAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URI",
        help="Download the sweep into the storage folder first, from the object store that "
        "storage.mirror named, such as s3://BUCKET/FOLDER.",
    ),
]
SweepName: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP",
        help="Id of the sweep, or a unique prefix of it; the default is the latest sweep.",
    ),
]
OnCluster: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="Jobs server of a Ray cluster, http://HEAD:8265, instead of this machine.",
    ),
]


def examples(*lines: str) -> str:
    """Return the epilog of a help text: commands that can be pasted into a shell."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def storage_root(given: Path | None) -> Path:
    """Return the absolute path of the option's folder, or of the default one."""
    from orchestrator.spec.sweep_spec import default_storage_root

    return Path(default_storage_root()) if given is None else given.expanduser().absolute()
