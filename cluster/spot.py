"""Tells Ray that this node is going to be taken away, once its cloud says so.

    python -m cluster.spot aws          # beside `ray start`, on every spot node

Ray's trials then save their state at once and go on elsewhere; what asks for a node gets another.
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

LOOK_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_TTL = "21600"
AWS = "http://169.254.169.254"
GCP = "http://metadata.google.internal"
GCP_SECONDS = 30.0
"""What Google Cloud gives a machine between the notice and its end."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A node is going to be taken away."""

    seconds: float
    """Time until then, >= 0."""
    message: str
    """In the cloud's words."""


def aws_notice(service: str = AWS, now: Callable[[], float] = time.time) -> Notice | None:
    """Return what EC2 says of this spot instance; None while it may stay.

    Raises:
        OSError: the metadata service does not answer.

    Source: Amazon EC2 User Guide, "Spot Instance interruption notices".
    """
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": _TTL}
    token = _ask(f"{service}/latest/api/token", ttl, method="PUT")
    header = {"X-aws-ec2-metadata-token": token or ""}
    told = _ask(f"{service}/latest/meta-data/spot/instance-action", header)
    if told is None:
        return None
    action = json.loads(told)
    at = datetime.strptime(action["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return Notice(max(0.0, at.timestamp() - now()), f"EC2 will {action['action']} it")


def gcp_notice(service: str = GCP) -> Notice | None:
    """Return what Google Cloud says of this spot machine; None while it may stay.

    Raises:
        OSError: the metadata service does not answer.

    Source: Google Cloud documentation, "Spot VMs", preemption process.
    """
    place = f"{service}/computeMetadata/v1/instance/preempted"
    if _ask(place, {"Metadata-Flavor": "Google"}) == "TRUE":
        return Notice(GCP_SECONDS, "Compute Engine preempts it")
    return None


CLOUDS: Mapping[str, Callable[[], Notice | None]] = {"aws": aws_notice, "gcp": gcp_notice}


def wait_for_notice(
    look: Callable[[], Notice | None], pause: Callable[[], None], say: Callable[[str], None]
) -> Notice:
    """Return the notice when it comes; a service that does not answer is asked again."""
    away = False
    while True:
        try:
            found = look()
            away = False
        except (OSError, ValueError, KeyError) as error:
            found = None
            if not away:
                say(f"the cloud does not say whether this node stays: {error}")
            away = True
        if found is not None:
            return found
        pause()


def drain_command(notice: Notice, node_id: str | None) -> list[str]:
    """Return the command that tells Ray; None for the node is this one."""
    ray = str(Path(sys.executable).with_name("ray"))
    found = [ray, "drain-node", "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    found += ["--reason-message", notice.message]
    found += ["--deadline-remaining-seconds", str(max(1, round(notice.seconds)))]
    return found if node_id is None else [*found, "--node-id", node_id]


def main() -> None:
    """Wait for the notice, tell Ray, end."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("cloud", choices=sorted(CLOUDS))
    options.add_argument("--node-id", help="Ray's identity of the node; this one without.")
    chosen = options.parse_args()
    notice = wait_for_notice(CLOUDS[chosen.cloud], lambda: time.sleep(LOOK_SECONDS), _say)
    _say(f"{notice.message} in {notice.seconds:.0f} s")
    command = drain_command(notice, chosen.node_id)
    sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - Ray's own program


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _ask(url: str, headers: Mapping[str, str], method: str = "GET") -> str | None:
    """Return what the metadata service answers; None where it has nothing of that name."""
    request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            return str(answer.read().decode()).strip()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


if __name__ == "__main__":
    main()
