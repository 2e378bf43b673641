from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.client import TrackingUnavailableError
from orchestrator.tracking.server import ServerPlan, free_port, plan_server, serving

if TYPE_CHECKING:
    from pathlib import Path


def test_the_plan_names_store_artifacts_and_place(tmp_path: Path) -> None:
    plan = plan_server("sqlite:///x.db", tmp_path, port=5050)
    assert plan.address == "http://127.0.0.1:5050"
    command = " ".join(plan.command)
    assert "sqlite:///x.db" not in command  # it may hold a password, and commands are seen by all
    assert plan.environment == {"MLFLOW_BACKEND_STORE_URI": "sqlite:///x.db"}
    assert f"--artifacts-destination {tmp_path.as_uri()}" in command


def test_a_port_is_chosen_where_none_is_given(tmp_path: Path) -> None:
    assert plan_server("sqlite:///x.db", tmp_path).port > 0


def test_a_free_port_is_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_a_server_is_not_served_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="already"):
        plan_server("http://host:5000", tmp_path)


class BrokenPlan(ServerPlan):
    """A server that says why it does not start, and ends."""

    __slots__ = ()

    @property
    def command(self) -> list[str]:
        return ["sh", "-c", "echo the database is broken; exit 3"]


def test_a_server_that_does_not_start_raises_with_its_log(tmp_path: Path) -> None:
    plan = BrokenPlan(tracking_uri="sqlite:///x.db", artifact_root=tmp_path, port=free_port())
    with (
        pytest.raises(TrackingUnavailableError, match="the database is broken"),
        serving(plan, log=tmp_path / "log.txt", timeout=20),
    ):
        pytest.fail("the server cannot have answered")
