"""Adds the pages outside ``docs/`` to the site, and maps links between files to pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

_ROOT = Path(__file__).parents[1]
_OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md", "benchmarks/compression.md")
_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:  # noqa: ANN401 - mkdocs types it as a mapping of anything
    """Return ``config`` with every decision record in the navigation."""
    records = sorted(path.name for path in (_ROOT / "docs/adr").glob("[0-9]*.md"))
    config["nav"].append({"Decisions": ["adr/README.md", *(f"adr/{name}" for name in records)]})
    return config


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401
    """Return ``files`` with the pages outside ``docs/``."""
    for page in _OUTSIDE:
        files.append(File.generated(config, page, abs_src_path=str(_ROOT / page)))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: object) -> str:  # noqa: ANN401
    """Return ``markdown`` with links between pages as the site has them.

    A link to a file that is no page, such as ``examples/camvid.yaml``, becomes its text.
    """
    source = page.file.src_uri
    folder = ((_ROOT if source in _OUTSIDE else _ROOT / "docs") / source).parent
    up = "../" * source.count("/")

    def mapped(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        for root in (_ROOT / "docs", _ROOT):
            if target.is_relative_to(root):
                name = target.relative_to(root).as_posix()
                if files.get_file_from_path(name) is not None:
                    return f"[{link[1]}]({up}{name}{link[3] or ''})"
        return link[1] if target.exists() else link[0]

    return _LINK.sub(mapped, markdown)
