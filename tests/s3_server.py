"""A real S3 server on this machine's loopback, which keeps its buckets in memory."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, SECRET = "segsweep-tests", "only-for-the-loopback"


@contextmanager
def s3_server(bucket: str) -> Iterator[dict[str, str]]:
    """Serve an empty ``bucket``; yields the environment in which it is reached."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    program = Path(sys.executable).with_name("rclone")
    command = [str(program if program.exists() else shutil.which("rclone") or "rclone")]
    command += ["serve", "s3", "--config", "/dev/null", "--auth-key", f"{KEY},{SECRET}"]
    with subprocess.Popen(
        [*command, "--addr", f"127.0.0.1:{port}", ":memory:"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _await(port)
            environment = {
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # this server knows no others
            }
            _make(bucket, port)
            yield environment
        finally:
            process.terminate()


def _make(bucket: str, port: int) -> None:
    from pyarrow.fs import S3FileSystem

    S3FileSystem(
        access_key=KEY,
        secret_key=SECRET,
        region="us-east-1",
        scheme="http",
        endpoint_override=f"127.0.0.1:{port}",
        allow_bucket_creation=True,
    ).create_dir(bucket)


def _await(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the S3 server does not come up"
            time.sleep(0.05)
        else:
            return
