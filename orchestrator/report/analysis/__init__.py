"""Computations on trial records for a report, independent of its format."""
