"""The verb ``papers``: what the papers' models cost, theirs beside ours."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import say, say_json

EPILOG = examples("segsweep papers", "segsweep papers --write docs", "segsweep papers --json")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--write",
        metavar="FOLDER",
        show_default=False,
        help="Write papers.md there, and the tables of the pages in its folder papers.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("papers", epilog=EPILOG)(papers)


def papers(write: Folder = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Print what the models of the four papers cost, theirs beside ours.

    Parameters and MACs are counted here and now, without training or downloading anything.
    """
    from orchestrator.spec.baselines.paper_models import PAPERS
    from orchestrator.spec.baselines.papers import page

    if write is not None:
        write_pages(write)
    elif as_json:
        say_json(_mappings())
    else:
        say(page(PAPERS).rstrip())


def write_pages(folder: Path) -> None:
    """Write the page of all tables, and the table of each paper's page that is there.

    Raises:
        CliError: a paper's page has no place for its table.
    """
    from orchestrator.cli.shared.errors import CliError
    from orchestrator.spec.baselines.paper_models import PAPERS
    from orchestrator.spec.baselines.papers import filled, page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "papers.md").write_text(page(PAPERS), encoding="utf-8")
    for paper in PAPERS:
        path = folder / "papers" / f"{paper.key}.md"
        if path.is_file():
            try:
                text = filled(path.read_text(encoding="utf-8"), paper)
            except ValueError as error:
                raise CliError(f"{path}: {error}") from error
            path.write_text(text, encoding="utf-8")


def _mappings() -> list[dict[str, object]]:
    from orchestrator.spec.baselines.paper_models import PAPERS
    from orchestrator.spec.baselines.papers import price

    return [
        {
            "paper": paper.key,
            "model": model.name,
            "baseline": model.key,
            "config": dict(model.config),
            "num_classes": model.classes,
            "params": priced.params,
            "paper_params": model.params,
            "macs": priced.macs,
            "paper_macs": model.macs,
            "why": model.why,
        }
        for paper in PAPERS
        for model, priced in ((model, price(model)) for model in paper.models)
    ]
