from __future__ import annotations

from pathlib import Path

from orchestrator.cli.docs import manual

MANUAL = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_manual_equals_the_help_texts() -> None:
    assert MANUAL.read_text(encoding="utf-8") == manual(), (
        "docs/cli.md is out of date; run python -m orchestrator.cli.docs > docs/cli.md"
    )


def test_every_verb_has_a_page_with_examples() -> None:
    text = manual()
    for verb in ("run", "resume", "report", "ui", "list", "presets", "profile", "doctor"):
        page = text.split(f"## `segsweep {verb}`")[1].split("\n## ")[0]
        assert "Examples:" in page
    for verb in ("data check", "teacher train"):
        assert f"## `segsweep {verb}`" in text
