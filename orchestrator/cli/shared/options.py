"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

SpecFile: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="SPEC",
        show_default=False,
        help="Sweep file (YAML); without one the embedded demo is taken.",
    ),
]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        show_default=False,
        help="Set one setting, such as budget.trials=12; may be repeated; the value is YAML.",
    ),
]
PresetName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        show_default=False,
        help="Take the search space of a preset (see segsweep presets) instead of the file's.",
    ),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON for scripts instead of text.")
]
Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        show_default=False,
        help="Sweeps that are simulated at the same time; by default as many as there are CPU "
        "cores.",
    ),
]
StorageRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--storage",
        metavar="FOLDER",
        show_default=False,
        help="Folder the sweeps are in; $SEGSWEEP_STORAGE, else ./segsweep-runs.",
    ),
]
MirrorAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URI",
        show_default=False,
        help="Fetch the sweep first from the object store that storage.mirror named, such as "
        "s3://BUCKET/FOLDER, into the storage folder.",
    ),
]


def examples(*lines: str) -> str:
    """Return the end of a help text: commands that can be pasted."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def storage_root(given: Path | None) -> Path:
    """Return the absolute folder of the option, or the default one."""
    # a spec's sections take long to import
    from orchestrator.spec.sweep_spec import default_storage_root  # noqa: PLC0415

    return Path(default_storage_root()) if given is None else given.expanduser().absolute()
