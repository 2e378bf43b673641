from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.cli.papers import write_pages
from orchestrator.cli.shared.errors import CliError
from orchestrator.spec import papers as paper_models
from orchestrator.spec.papers import BEGIN, END, KIM

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _one_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_models, "PAPERS", (KIM,))


def test_the_verb_prints_a_table_or_json() -> None:
    shown = CliRunner().invoke(app, ["papers"])
    assert shown.exit_code == 0
    assert "| MobileNetV3-Large | 11.728 |" in shown.stdout
    rows = json.loads(CliRunner().invoke(app, ["papers", "--json"]).stdout)
    assert [round(row["params"] / 1e6, 2) for row in rows][:2] == [11.73, 5.63]
    assert all(row["macs"] > 0 for row in rows)


def test_the_verb_writes_the_pages(tmp_path: Path) -> None:
    own = tmp_path / "papers" / "kim.md"
    own.parent.mkdir()
    own.write_text(f"# Kim\n{BEGIN}\n{END}\n", encoding="utf-8")
    assert CliRunner().invoke(app, ["papers", "--write", str(tmp_path)]).exit_code == 0
    assert "11.728" in own.read_text(encoding="utf-8")
    assert "11.728" in (tmp_path / "papers.md").read_text(encoding="utf-8")
    own.write_text("# Kim\n", encoding="utf-8")
    with pytest.raises(CliError, match=r"kim\.md: the page of kim needs the lines"):
        write_pages(tmp_path)
