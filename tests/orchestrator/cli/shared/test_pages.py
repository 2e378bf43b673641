from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.pages import noted_ui, print_pages_or_command, running_ui
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.parse import load_spec
from orchestrator.tracking.tracker import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.spec.sweep_spec import SweepSpec


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """Address of a server that says it is healthy, as MLflow's does."""
    with HTTPServer(("127.0.0.1", 0), Healthy) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    return load_spec(None, overrides=[f"storage.root={tmp_path}"])


def test_pages_are_printed_while_the_server_runs_and_the_command_otherwise(
    spec: SweepSpec, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SweepFolder(tmp_path, "demo-1")
    with Ledger(folder.ledger) as ledger:
        ledger.set_fact(PLACE, {"sweep_id": "demo-1", "experiment_id": "7", "run_id": "r"})
    with noted_ui(spec, server):
        print_pages_or_command(folder, spec)
    shown = capsys.readouterr().out
    assert f"charts        {server}/#/experiments/7/runs?viewStateShareKey=demo-1&" in shown
    assert f"front         {server}/#/experiments/7/runs?viewStateShareKey=demo-1-front&" in shown
    print_pages_or_command(folder, spec)
    assert capsys.readouterr().out == f"open it in MLflow: {command('ui', folder)}\n"


def test_a_server_that_was_killed_or_shows_another_store_does_not_count(
    spec: SweepSpec, tmp_path: Path, server: str
) -> None:
    with noted_ui(spec, "http://127.0.0.1:9"):
        assert running_ui(spec) is None
    with noted_ui(spec, server):
        assert running_ui(spec) == server
        other = load_spec(
            None, overrides=[f"storage.root={tmp_path}", "tracking.uri=sqlite:////tmp/other.db"]
        )
        assert running_ui(other) is None


def test_a_tracking_server_shows_itself(tmp_path: Path) -> None:
    served = load_spec(
        None, overrides=[f"storage.root={tmp_path}", "tracking.uri=http://tracking:5000"]
    )
    assert running_ui(served) == "http://tracking:5000"
