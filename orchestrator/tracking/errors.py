"""Errors of the tracking store."""

from __future__ import annotations


class TrackingError(Exception):
    """A request to the tracking store failed."""


class TrackingUnavailableError(TrackingError):
    """The store does not answer or has an internal error; a retry may succeed."""


class TrackingRefusedError(TrackingError):
    """The store rejects the request; a retry is useless."""
