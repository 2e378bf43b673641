from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.orchestrator.cli.conftest import Outcome


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)


def test_a_dry_run_prints_the_plan_with_what_would_be_sent(
    segsweep: Callable[..., Outcome],
) -> None:
    outcome = segsweep("submit", "--storage", "/shared", "--name", "Night 1", "--dry-run")
    assert outcome.code == 0
    assert "/shared" in outcome.out
    assert "run spec.yaml --id night-1-" in outcome.out
    assert "nothing was sent" in outcome.err


def test_the_request_as_json_holds_names_of_variables_alone(
    segsweep: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_WORD", "hush-hush")
    outcome = segsweep(
        *("submit", "--storage", "/shared", "--dry-run", "--json", "--installed"),
        *("--env", "OUR_WORD", "--env", "OTHER=mum-mum", "--set", "budget.trials=3"),
    )
    told = json.loads(outcome.out)
    assert told["submitted"] is False
    assert told["request"]["command"].startswith("python -m orchestrator.cli.main run")
    assert {"OUR_WORD", "OTHER"} <= set(told["request"]["environment"])
    assert told["plan"]["trials"].startswith("3 of")
    assert "hush-hush" not in outcome.out
    assert "mum-mum" not in outcome.out


@pytest.mark.parametrize(
    ("options", "python", "words"),
    [
        ((), "uv run ", "locked, by uv"),
        (("--locked",), "uv run ", "locked, by uv"),
        (("--installed",), "python -m ", "that of the nodes"),
        (("--image", "registry/x:1"), "python -m ", "registry/x:1"),
    ],
)
def test_the_plan_names_the_environment_of_the_job(
    segsweep: Callable[..., Outcome], options: tuple[str, ...], python: str, words: str
) -> None:
    outcome = segsweep("submit", "--storage", "/s", "--dry-run", "--json", *options)
    answer = json.loads(outcome.out)
    assert answer["request"]["command"].startswith(python)
    assert answer["plan"]["environment"] == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("submit",), "give --storage FOLDER"),
        (("submit", "--storage", "/s"), "no cluster was named; give --address http://HEAD:8265"),
        (("submit", "--storage", "/s", "--env", "NO_SUCH_WORD"), "this shell has no such variable"),
        (
            ("submit", "--resume", "night", "--set", "budget.trials=3"),
            "uses the spec of its sweep",
        ),
        (("submit", "--from", "s3://bucket/sweeps"), "give --resume SWEEP too"),
        (("submit", "--resume", "n", "--from", "ftp://h/s"), "must begin with one of s3://"),
        (("resume", "--from", "s3://key:hush@bucket/s"), "must hold no credentials"),
        (("resume", "--from", "file:///no/such/mirror"), "there is no sweep at file:///no"),
        (("status",), "no cluster was named"),
        (("logs", "night"), "no cluster was named"),
        (("stop", "night"), "no cluster was named"),
    ],
)
def test_missing_options_are_reported(
    segsweep: Callable[..., Outcome], arguments: tuple[str, ...], words: str
) -> None:
    outcome = segsweep(*arguments)
    assert outcome.code == 2
    assert words in outcome.err


@pytest.mark.slow  # imports Ray
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("head:8265", "is not the address of a Jobs server"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9"),
    ],
)
def test_an_address_without_a_jobs_server_is_named(
    segsweep: Callable[..., Outcome], address: str, words: str
) -> None:
    outcome = segsweep("list", "--address", address)
    assert outcome.code == 2
    assert words in outcome.err
