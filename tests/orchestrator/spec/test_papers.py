"""The papers' models."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.spec.papers import (
    BEGIN,
    END,
    PAPERS,
    Paper,
    PaperModel,
    filled,
    page,
    price,
    row,
    table,
)
from orchestrator.spec.parse import load_spec
from search_spaces.presets import PRESETS
from search_spaces.space import SearchSpace

DOCS = Path(__file__).parents[3] / "docs"
OWN = [
    pytest.param(paper, model, id=f"{paper.key}-{model.name}")
    for paper in PAPERS
    for model in paper.models
    if not str(model.config["arch"]).startswith("smp/")
]
SMALL = Paper(
    key="small",
    title="Small",
    note="A note.",
    models=(
        PaperModel(
            name="one",
            config={"backbone": "mobilenet_v3_small", "resolution": "32x32"},
            classes=3,
            params=6e6,
            why="theirs is rounded",
        ),
    ),
)


@pytest.mark.parametrize(("paper", "model"), OWN)
def test_the_pages_hold_what_the_program_counts(paper: Paper, model: PaperModel) -> None:
    line = row(price(model))
    assert line in (DOCS / "papers.md").read_text(encoding="utf-8").splitlines()
    assert line in (DOCS / "papers" / f"{paper.key}.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
def test_the_pages_are_those_of_the_command() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    assert (DOCS / "papers.md").read_text(encoding="utf-8") == page(PAPERS)
    for paper in PAPERS:
        text = (DOCS / "papers" / f"{paper.key}.md").read_text(encoding="utf-8")
        assert filled(text, paper) == text


@pytest.mark.parametrize(("paper", "model"), OWN)
def test_what_differs_by_more_than_rounding_has_a_reason(paper: Paper, model: PaperModel) -> None:
    priced = price(model)
    for ours, theirs in ((priced.params, model.params), (priced.macs, model.macs)):
        if theirs is not None and abs(ours / theirs - 1) > 0.005:
            assert model.why, (paper.key, model.name)


def test_every_model_has_a_name_of_its_own_as_a_baseline() -> None:
    names = [model.key for paper in PAPERS for model in paper.models]
    assert len(set(names)) == len(names)
    assert all(model.key.startswith(f"{p.key}-") for p in PAPERS for model in p.models)


def test_every_paper_is_a_preset() -> None:
    assert {paper.key for paper in PAPERS} <= set(PRESETS)


def test_a_table_shows_theirs_beside_ours() -> None:
    heading, rule, line = table(SMALL)
    assert heading.count("|") == rule.count("|") == line.count("|")
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[0] == "one"
    assert float(cells[1]) == pytest.approx(price(SMALL.models[0]).params / 1e6, abs=1e-3)
    assert (cells[2], cells[4], cells[6]) == ("6", "", "theirs is rounded")


def test_a_page_keeps_what_stands_around_its_table() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = filled(text, SMALL)
    assert once.startswith(f"before\n{BEGIN}\n\n| model |")
    assert once.endswith(f"|\n\n{END}\nafter\n")
    assert "old" not in once
    assert filled(once, SMALL) == once
    with pytest.raises(ValueError, match="the page of small needs the lines"):
        filled("nothing here", SMALL)


@pytest.mark.parametrize("name", ["malyshev", "kim", "chouti", "chouti-ade20k", "renaud"])
def test_a_papers_sweep_file_is_sound(name: str) -> None:
    spec = load_spec(DOCS / "papers" / f"{name}.yaml")
    assert spec.name == name
    assert isinstance(spec.space, SearchSpace)
    if name.startswith("chouti"):
        assert spec.space.count() == spec.budget.trials == 3
