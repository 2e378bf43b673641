"""The verb ``papers``: costs of the papers' models, published and computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import print_json, print_out

EPILOG = examples("segsweep papers", "segsweep papers --write docs", "segsweep papers --json")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--write",
        metavar="FOLDER",
        help="Write papers.md to this folder and update the tables in its folder papers.",
    ),
]


def papers(write: Folder = None, as_json: AsJson = False) -> None:
    """Print parameters and MACs of the four papers' models beside the published figures.

    They are counted without training or downloading anything.
    """
    from orchestrator.spec.papers import PAPERS, page

    if write is not None:
        write_pages(write)
    elif as_json:
        print_json(_mappings())
    else:
        print_out(page(PAPERS).rstrip())


def write_pages(folder: Path) -> None:
    """Write papers.md and update the table in each paper's page.

    Raises:
        CliError: a paper's page has no markers for its table.
    """
    from orchestrator.cli.shared.errors import CliError
    from orchestrator.spec.papers import PAPERS, filled, page

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
    from orchestrator.spec.papers import PAPERS, price

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
