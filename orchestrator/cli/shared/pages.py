"""Where a sweep is seen in the MLflow UI, as lines to print."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import json
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.output import say, tell
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

_NOTE = "mlflow-ui.json"
"""File of the storage folder that says where ``segsweep ui`` serves which store."""
_PATIENCE = 2.0


def print_where(folder: SweepFolder, spec: SweepSpec) -> None:
    """Print the addresses of a sweep's pages, or the command that serves them."""
    base = running_ui(spec)
    if base is None:
        say(f"look at it: {command('ui', folder)}")
    else:
        print_pages(base, folder)


def print_pages(base: str, folder: SweepFolder) -> None:
    """Print where the sweep is below an MLflow server's address."""
    from orchestrator.tracking.tracker import known_place

    place = known_place(folder)
    if place is None:
        say(f"MLflow        {base}")
        tell(f"sweep {folder.sweep_id} has no page in MLflow yet")
        return
    say(f"sweep         {place.page(base)}")
    say(f"charts        {place.view(base)}")
    say(f"front         {place.front(base)}")
    say(f"comparison    {place.comparison(base)}")


def running_ui(spec: SweepSpec) -> str | None:
    """Return the address of the server that shows the sweeps of ``spec``; None where none runs."""
    from orchestrator.tracking.client import is_remote

    if is_remote(spec.tracking_uri):
        return spec.tracking_uri
    try:
        noted = json.loads((Path(spec.storage.root) / _NOTE).read_text(encoding="utf-8"))
        base = str(noted["base"]) if noted["store"] == redact(spec.tracking_uri) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return base if base is not None and _answers(base) else None


@contextmanager
def noted_ui(spec: SweepSpec, base: str) -> Iterator[None]:
    """Let other commands know of the server at ``base`` while the block runs."""
    note = Path(spec.storage.root) / _NOTE
    note.write_text(
        json.dumps({"store": redact(spec.tracking_uri), "base": base}), encoding="utf-8"
    )
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _answers(base: str) -> bool:
    """Whether a server is there; what a killed one left behind answers nothing."""
    with (
        suppress(OSError, ValueError),
        urllib.request.urlopen(f"{base}/health", timeout=_PATIENCE) as told,  # noqa: S310
    ):
        return bool(told.status == 200)
    return False
