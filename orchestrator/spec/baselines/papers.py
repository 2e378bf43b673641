"""Costs of the papers' models: as published and as built here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN, END = "<!-- begin: segsweep papers -->", "<!-- end: segsweep papers -->"
"""Lines around the generated table of a page."""
COLUMNS = (
    *("model", "params, M", "paper's", "GMACs", "paper's"),
    *("at", "why they differ", "as a baseline"),
)
GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperModel:
    """One model of a paper, with its published cost and its config here."""

    key: str = ""
    """Its name as a baseline of a sweep; empty if it is none."""
    name: str
    """Its name in the paper, shortened."""
    config: Mapping[str, object]
    """Its config in this program."""
    classes: int
    """Number of classes of the paper's data set."""
    params: float | None = None
    """Parameters in the paper; None if not stated."""
    macs: float | None = None
    """MACs for one image in the paper, under any name; None if not stated."""
    why: str = ""
    """Reason for the difference."""
    system: bool = True
    """Whether the paper presents it; False for a variant that we added."""
    distilled: bool = False
    """Whether the paper distils it from a teacher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """A paper with its models."""

    key: str
    """Name of the preset and of the page."""
    title: str
    """Authors, year and subject."""
    note: str
    """Remark on all rows."""
    models: tuple[PaperModel, ...] = field(repr=False)
    """Its models in the paper's order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedModel:
    """A paper's model with its cost in this program."""

    model: PaperModel
    params: int
    macs: int

    @property
    def resolution(self) -> str:
        """HEIGHTxWIDTH of the counted MACs."""
        return str(self.model.config["resolution"])


def price(model: PaperModel) -> PricedModel:
    """Return the model with our parameters and MACs, counted without running it.

    Raises:
        LibraryMissingError: its architecture needs a library that is not installed.
    """
    from trainables.cost.macs import static_costs  # noqa: PLC0415 - imports torch

    costs = static_costs(TrialConfig.from_mapping(model.config), model.classes)
    return PricedModel(model=model, params=costs["params"], macs=costs["macs"])


def table(paper: Paper) -> list[str]:
    """Return the paper's table as lines of markdown."""
    return [
        f"| {' | '.join(COLUMNS)} |",
        "|---|--:|--:|--:|--:|---|---|---|",
        *(row(price(model)) for model in paper.models),
    ]


def row(priced: PricedModel) -> str:
    """Return one model's line of markdown."""
    model = priced.model
    cells = (
        model.name,
        f"{priced.params / MEGA:.3f}",
        "" if model.params is None else f"{model.params / MEGA:g}",
        f"{priced.macs / GIGA:.3f}",
        "" if model.macs is None else f"{model.macs / GIGA:g}",
        f"{priced.resolution}, {model.classes} classes",
        model.why,
        f"`{model.key}`" if model.key else "",
    )
    return f"| {' | '.join(cells)} |"


def page(papers: tuple[Paper, ...]) -> str:
    """Return the page with the tables of all papers."""
    lines = [
        "# Complexity of the papers' models",
        "",
        "Written by `segsweep papers`; a test compares it with what the program counts. MACs are",
        "multiply-accumulates of convolutions, linear layers and matrix products for one image,",
        "half of what PyTorch calls flops. Columns named *paper's* hold what a paper prints, empty",
        "where it prints nothing. A sweep takes a model by the name in the last column, such as",
        "`--set baselines=kim-large`, a paper's own systems by its name, all of them by `papers`;",
        "what came of that on CamVid is in [papers/mobile.md](papers/mobile.md).",
    ]
    for paper in papers:
        link = f"[{paper.title}](papers/{paper.key}.md)"
        lines += ["", f"## {link}", "", *paper.note.splitlines(), "", *table(paper)]
    return "\n".join([*lines, ""])


def filled(text: str, paper: Paper) -> str:
    """Return a page's text with its generated table replaced.

    Raises:
        ValueError: the page lacks ``BEGIN`` or ``END``.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(
            f"the page of {paper.key} needs the lines {BEGIN!r}, {END!r} around its table"
        )
    inner = "\n".join(["", "", *table(paper), "", ""])
    return f"{before}{BEGIN}{inner}{END}{after}"
