"""Drains this Ray node when its cloud sends a preemption notice.

    python -m cluster.spot aws          # beside `ray start`, on every spot node

Trials then save a checkpoint at once and resume on another node; an autoscaler replaces the node.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POLL_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_TTL = "21600"
AWS = "http://169.254.169.254"
GCP = "http://metadata.google.internal"
GCP_SECONDS = 30.0
"""Time between Google Cloud's notice and the end of the machine."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A preemption notice."""

    seconds: float
    """Time until the preemption, >= 0."""
    message: str
    """The cloud's message."""


def aws_notice(service: str = AWS, now: Callable[[], float] = time.time) -> Notice | None:
    """Return EC2's notice for this spot instance; None without one.

    Raises:
        OSError: the metadata service does not respond.

    Source: Amazon EC2 User Guide, "Spot Instance interruption notices".
    """
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": _TTL}
    token = _request(f"{service}/latest/api/token", ttl, method="PUT")
    header = {"X-aws-ec2-metadata-token": token or ""}
    text = _request(f"{service}/latest/meta-data/spot/instance-action", header)
    if text is None:
        return None
    action = json.loads(text)
    at = datetime.strptime(action["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return Notice(max(0.0, at.timestamp() - now()), f"EC2 will {action['action']} it")


def gcp_notice(service: str = GCP) -> Notice | None:
    """Return Google Cloud's notice for this spot VM; None without one.

    Raises:
        OSError: the metadata service does not respond.

    Source: Google Cloud documentation, "Spot VMs", preemption process.
    """
    url = f"{service}/computeMetadata/v1/instance/preempted"
    if _request(url, {"Metadata-Flavor": "Google"}) == "TRUE":
        return Notice(GCP_SECONDS, "Compute Engine preempts it")
    return None


CLOUDS: Mapping[str, Callable[[], Notice | None]] = {"aws": aws_notice, "gcp": gcp_notice}


def wait_for_notice(
    poll: Callable[[], Notice | None], pause: Callable[[], None], log: Callable[[str], None]
) -> Notice:
    """Poll until there is a notice and return it; log the first of consecutive errors."""
    failing = False
    while True:
        try:
            notice = poll()
            failing = False
        except (OSError, ValueError, KeyError) as error:
            notice = None
            if not failing:
                log(f"the metadata service cannot be read: {error}")
            failing = True
        if notice is not None:
            return notice
        pause()


def drain_command(notice: Notice, node_id: str | None) -> list[str]:
    """Return the command that drains a node; None for this node."""
    ray = str(Path(sys.executable).with_name("ray"))
    command = [ray, "drain-node", "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    command += ["--reason-message", notice.message]
    command += ["--deadline-remaining-seconds", str(max(1, round(notice.seconds)))]
    return command if node_id is None else [*command, "--node-id", node_id]


def main() -> None:
    """Wait for a notice, then drain the node."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("cloud", choices=sorted(CLOUDS))
    options.add_argument("--node-id", help="Ray's identity of the node; default: this one.")
    chosen = options.parse_args()
    notice = wait_for_notice(CLOUDS[chosen.cloud], lambda: time.sleep(POLL_SECONDS), _log)
    _log(f"{notice.message} in {notice.seconds:.0f} s")
    command = drain_command(notice, chosen.node_id)
    sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - Ray's own program


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _request(url: str, headers: Mapping[str, str], method: str = "GET") -> str | None:
    """Return the response of the metadata service; None for an unknown path."""
    request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:  # noqa: S310
            return str(response.read().decode()).strip()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


if __name__ == "__main__":
    main()
