"""What the papers' models cost, theirs beside ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN, END = "<!-- begin: segsweep papers -->", "<!-- end: segsweep papers -->"
"""Lines between which a page holds a generated table."""
COLUMNS = (
    *(
        "model",
        "params, M",
        "paper's",
        "GMACs",
        "paper's",
        "at",
        "why they differ",
        "as a baseline",
    ),
)
GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperModel:
    """One model of a paper, as the paper prices it and as this program builds it."""

    key: str = ""
    """Its name among the baselines of a sweep; empty for one that is none."""
    name: str
    """What the paper calls it, in short."""
    config: Mapping[str, object]
    """Our configuration of it."""
    classes: int
    """Classes of the data set that the paper used."""
    params: float | None = None
    """Parameters that the paper states; None where it states none."""
    macs: float | None = None
    """MACs of one image that the paper states, whatever it calls them."""
    why: str = ""
    """Reason of the difference."""
    system: bool = True
    """Whether it is one of the paper's systems rather than another reading of one."""
    distilled: bool = False
    """Whether the paper trains it with a teacher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """A paper with its models."""

    key: str
    """Name of the preset, and of the page."""
    title: str
    """Authors, year and subject."""
    note: str
    """What holds for all of its rows."""
    models: tuple[PaperModel, ...] = field(repr=False)
    """Its models in its own order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedModel:
    """A paper's model with what ours costs."""

    model: PaperModel
    params: int
    macs: int

    @property
    def resolution(self) -> str:
        """HEIGHTxWIDTH that the MACs are counted at."""
        return str(self.model.config["resolution"])


def price(model: PaperModel) -> PricedModel:
    """Return the model with our parameters and MACs, counted without computing.

    Raises:
        LibraryMissingError: its architecture is that of a library that is not installed.
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
    """Return a page's text with its generated table as it is now.

    Raises:
        ValueError: the page does not have the two lines between which the table stands.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(
            f"the page of {paper.key} needs the lines {BEGIN!r}, {END!r} around its table"
        )
    inner = "\n".join(["", "", *table(paper), "", ""])
    return f"{before}{BEGIN}{inner}{END}{after}"
