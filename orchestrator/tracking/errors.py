"""What can go wrong between a sweep and its tracking store."""

from __future__ import annotations


class TrackingError(Exception):
    """The tracking store did not take what it was given."""


class TrackingUnavailableError(TrackingError):
    """The store does not answer, or answers that it cannot now; the same may work later."""


class TrackingRefusedError(TrackingError):
    """The store answers that it will never take this; trying again is no use."""
