"""Errors of the connection to Ray."""

from __future__ import annotations


class ClusterError(RuntimeError):
    """Ray could not be started or reached, or its connection was lost."""
