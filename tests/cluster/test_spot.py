"""Notices of clouds, from a metadata service on this machine's loopback."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cluster.spot import Notice, aws_notice, drain_command, gcp_notice, wait_for_notice

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "of this instance"  # noqa: S105
AT = 1_700_000_000.0
NOTICE = '{"action": "terminate", "time": "2023-11-14T22:15:20Z"}'


@contextmanager
def service(answers: dict[str, str]) -> Iterator[str]:
    """Answer as the clouds' services do: with a token alone, or with the flavour's header."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            self._answer(TOKEN if asked else None, 400)

        def do_GET(self) -> None:
            known = self.headers.get("X-aws-ec2-metadata-token") == TOKEN
            if not known and self.headers.get("Metadata-Flavor") != "Google":
                self._answer(None, 401)
                return
            self._answer(answers.get(self.path), 404)

        def _answer(self, text: str | None, otherwise: int) -> None:
            self.send_response(otherwise if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_ec2s_notice_has_the_time_until_the_preemption() -> None:
    with service({}) as calm:
        assert aws_notice(calm) is None
    with service({"/latest/meta-data/spot/instance-action": NOTICE}) as url:
        assert aws_notice(url, now=lambda: AT) == Notice(120.0, "EC2 will terminate it")


def test_google_clouds_notice_is_received() -> None:
    place = "/computeMetadata/v1/instance/preempted"
    with service({place: "FALSE\n"}) as calm:
        assert gcp_notice(calm) is None
    with service({place: "TRUE\n"}) as url:
        assert gcp_notice(url) == Notice(30.0, "Compute Engine preempts it")


def test_a_failing_metadata_service_is_polled_again_and_logged_once() -> None:
    with service({}) as url:
        gone = url
    answers: list[str | Notice] = ["away", "away", "calm", "away", Notice(9, "it goes")]
    pauses: list[None] = []
    logged: list[str] = []

    def poll() -> Notice | None:
        answer = answers.pop(0)
        if answer == "away":
            return aws_notice(gone)  # no server listens there
        return answer if isinstance(answer, Notice) else None

    assert wait_for_notice(poll, lambda: pauses.append(None), logged.append).seconds == 9
    assert len(pauses) == 4
    assert len(logged) == 2


@pytest.mark.parametrize(("seconds", "remaining"), [(119.6, "120"), (0.0, "1")])
def test_the_drain_command_has_the_remaining_time(seconds: float, remaining: str) -> None:
    command = drain_command(Notice(seconds, "it goes"), "abc")
    assert command[1:] == [
        *("drain-node", "--reason", "DRAIN_NODE_REASON_PREEMPTION"),
        *("--reason-message", "it goes", "--deadline-remaining-seconds", remaining),
        *("--node-id", "abc"),
    ]


@pytest.mark.slow  # imports Ray
def test_ray_itself_takes_the_command() -> None:
    from ray.scripts.scripts import cli

    words = drain_command(Notice(60, "it goes"), None)[1:]
    name, verb, rest = cli.resolve_command(cli.make_context("ray", words[:1]), words)
    assert verb is not None
    given = verb.make_context(name, rest).params
    assert given["deadline_remaining_seconds"] == 60
    assert given["reason"] == "DRAIN_NODE_REASON_PREEMPTION"
