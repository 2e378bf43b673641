"""What keeps a driver from a Ray cluster."""

from __future__ import annotations


class ClusterError(RuntimeError):
    """No Ray could be started or reached."""
